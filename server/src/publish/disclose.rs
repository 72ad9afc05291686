//! The public side of what is published, with small numbers left out, and its memory on disk.
//!
//! In come publications; out go those that the public is given. What the public has seen is put
//! into a file before it is published, so that a restart shows nothing that was held back: two
//! figures of which one was shown before the restart and one after it must not differ by a few
//! ballots either. The file is as secret as the log: it is this user's alone.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use dataflow::view::{Disclosure, Publication, Remembered, ViewSettings};
use serde::{Deserialize, Serialize};

use crate::private;
use crate::warnings::Warnings;

/// The warning of a memory that cannot be written.
const NOT_KEPT: &str = "disclosure_not_kept";

/// How the names of these files begin, in a data directory.
const PREFIX: &str = "disclosed-";

/// The name of a process's file.
pub fn memory_of(process: u16) -> String {
    format!("{PREFIX}{process}.json")
}

/// Whether a file of a data directory is one of these.
pub fn is_memory(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// What the public is shown, and where that is remembered.
pub struct PublicSide {
    disclosure: Disclosure,
    file: PathBuf,
    topic: String,
    /// Whether it could be kept the last time: what cannot is said once.
    is_kept: bool,
    warnings: Warnings,
}

/// Why the memory of a run before cannot be gone on from.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not read what the public was shown before from {}: remove the file, and rows of few \
     ballots may be told from what was shown then", .file.display()
)]
pub struct DisclosureError {
    file: PathBuf,
    source: io::Error,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Kept {
    topic: String,
    seen: Remembered,
}

impl PublicSide {
    /// The public side of a run, which goes on from that of the run before if its file is there.
    /// Each process has a file of its own.
    pub fn open(
        min: u64,
        settings: ViewSettings,
        file: &Path,
        begins_anew: bool,
        warnings: &Warnings,
    ) -> Result<PublicSide, DisclosureError> {
        let topic = settings.topic.to_string();
        let mut disclosure = Disclosure::new(min, settings);
        let (file, warnings) = (file.to_path_buf(), warnings.clone());
        match read(&file) {
            _ if begins_anew => {}
            Ok(Some(kept)) if kept.topic == topic => disclosure.remember(kept.seen),
            Ok(_) => {}
            Err(source) => return Err(DisclosureError { file, source }),
        }
        Ok(PublicSide {
            disclosure,
            file,
            topic,
            is_kept: true,
            warnings,
        })
    }

    /// The public side of a tick; what it shows anew is remembered.
    pub(super) fn of(&mut self, publication: &Publication) -> Publication {
        let disclosed = self.disclosure.apply(publication);
        if disclosed.renewed {
            let kept = Kept {
                topic: self.topic.clone(),
                seen: self.disclosure.remembered(),
            };
            let kept = serde_json::to_vec(&kept).expect("it is plain data");
            match private::put(&self.file, &kept) {
                Ok(()) => {
                    self.is_kept = true;
                    self.warnings.clear(NOT_KEPT);
                }
                Err(error) => {
                    if std::mem::take(&mut self.is_kept) {
                        let file = self.file.display();
                        tracing::warn!(%error, %file, "could not keep what the public is shown");
                    }
                    let message = "what the public is shown cannot be kept on disk: after a \
                         restart rows of few ballots may be told from what was shown before; see \
                         the log";
                    self.warnings.raise(NOT_KEPT, message);
                }
            }
        }
        disclosed.publication
    }
}

fn read(file: &Path) -> io::Result<Option<Kept>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sink::scene;

    fn open(file: &Path) -> Result<PublicSide, DisclosureError> {
        let settings = ViewSettings {
            topic: "votes".into(),
            lateness_ms: 60_000,
            horizon_ms: 86_400_000,
        };
        PublicSide::open(5, settings, file, false, &Warnings::default())
    }

    /// Accepted ballots by root and leaf, as the public sees them.
    fn shown(publication: &Publication) -> Vec<Option<u64>> {
        let all = dataflow::view::Parent::Any;
        let answer = publication.snapshot.locations("chair", all);
        let rows = answer.expect("a contest").locations.into_iter();
        rows.map(|row| (!row.suppressed).then_some(row.accepted))
            .collect()
    }

    #[test]
    fn a_restart_goes_on_from_what_was_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("deep").join("disclosed-0.json");
        let votes = |from: usize, to: usize, place: &'static str| {
            (from..to).map(move |voter| scene::vote(&format!("{place}{voter}"), "ana", place))
        };
        let first = votes(0, 9, "n1").chain(votes(0, 8, "n2")).collect();
        let second = votes(9, 10, "n1").collect();
        let ticks = scene::ticks(vec![
            (Some(scene::register()), vec![]),
            (None, first),
            (None, second),
        ]);
        let mut side = open(&file).expect("no file yet");
        for tick in &ticks[..2] {
            side.of(tick);
        }
        let mode = std::fs::metadata(&file)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // One ballot more is not shown after the restart, as it would not have been before.
        let mut side = open(&file).expect("it was written");
        assert_eq!(shown(&side.of(&ticks[2])), [Some(9), Some(8), Some(17)]);
        std::fs::remove_file(&file).expect("it is there");
        let mut side = open(&file).expect("no file again");
        assert_eq!(shown(&side.of(&ticks[2])), [Some(10), Some(8), Some(18)]);
        std::fs::write(&file, "{").expect("a damaged file");
        let error = open(&file).err().expect("it cannot be read").to_string();
        assert!(
            error.contains("disclosed-0.json") && error.contains("remove"),
            "{error}"
        );
    }
}
