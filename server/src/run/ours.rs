//! What this service writes into its directories, and that nobody else may read it.

use std::path::Path;

use crate::plan::{CHECKPOINTS, Plan};
use crate::publish::is_memory;
use crate::warnings::Warnings;
use crate::{checkpoint, control, demo, key, private, token};

/// What this service makes in a data directory.
const OURS: [&str; 8] = [
    demo::LOG,
    CHECKPOINTS,
    key::NAME,
    key::LOST,
    demo::MARK,
    control::ASK,
    control::ANSWER,
    token::FILE,
];

/// Takes from other users of the machine what an earlier version, or a copy, left open to them.
pub(super) fn tighten(plan: &Plan, warnings: &Warnings) {
    let (log, checkpoints) = (plan.data.join(demo::LOG), Path::new(&plan.checkpoints));
    let all = |_: &str| true;
    let mut directories = vec![
        private::Ours {
            directory: &plan.data,
            is_ours: &|name| {
                OURS.contains(&name) || is_memory(name) || private::is_unfinished(name)
            },
        },
        private::Ours {
            directory: &log,
            is_ours: &all,
        },
    ];
    if !plan.checkpoints.starts_with("s3://") {
        directories.push(private::Ours {
            directory: checkpoints,
            is_ours: &checkpoint::is_file_of_place,
        });
    }
    private::tighten(&directories, warnings);
}
