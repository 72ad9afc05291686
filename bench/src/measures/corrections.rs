//! `corrections`: the rate when many votes are replaced or voided.

use crate::cli::Args;
use crate::measures::side_by_side;
use crate::report::Report;
use crate::service::Shape;
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// The shares of voters or votes, by what happens to them.
const SHARES: [(&str, &str, f64); 4] = [
    ("10 % vote again", "revotes", 0.1),
    ("50 % vote again", "revotes", 0.5),
    ("10 % voided", "voids", 0.1),
    ("50 % voided", "voids", 0.5),
];

/// Plain votes, and the same with corrections; the rate is of messages.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let size = Size::of(args.votes(3_000_000, 200_000));
    let mut cases = vec![("plain", Filling::plain(size))];
    for (name, what, share) in SHARES {
        let shares = vec![(what, share)];
        cases.push((
            name,
            Filling {
                shares,
                ..Filling::plain(size)
            },
        ));
    }
    let mut report = Report::new(
        "corrections",
        format!("{} voters; messages a second, -w 2", size.voters),
    );
    report.rows = side_by_side(
        stage,
        "corrections",
        &cases,
        &Shape::workers(2),
        args.runs(),
    )?;
    report.ratios("votes", "plain", "of plain");
    Ok(report)
}
