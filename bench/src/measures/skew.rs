//! `skew`: what it costs when one candidate gets all votes, or one location.

use crate::cli::Args;
use crate::measures::side_by_side;
use crate::report::Report;
use crate::service::Shape;
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// The same number of votes, spread and not.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let even = Size::of(args.votes(4_000_000, 200_000));
    let sizes = [
        ("spread", even),
        (
            "one candidate",
            Size {
                candidates: 1,
                ..even
            },
        ),
        (
            "one location",
            Size {
                locations: 1,
                ..even
            },
        ),
        (
            "one of both",
            Size {
                candidates: 1,
                locations: 1,
                ..even
            },
        ),
    ];
    let mut report = Report::new(
        "skew",
        format!(
            "{} votes, spread over candidates and locations or not, -w 2",
            even.voters
        ),
    );
    let cases = sizes.map(|(name, size)| (name, Filling::plain(size)));
    report.rows = side_by_side(stage, "skew", &cases, &Shape::workers(2), args.runs())?;
    report.ratios("votes", "spread", "of spread");
    report
        .notes
        .push("budget: at least 0.95 of what it is when spread".to_string());
    Ok(report)
}
