//! `growth`: how the rate and the memory change with voters, candidates, locations, contests,
//! partitions and workers, each by itself.

use crate::cli::Args;
use crate::measures::side_by_side;
use crate::race::{RATE, race};
use crate::report::Report;
use crate::service::Shape;
use crate::stage::Stage;
use crate::topic::{Filling, Size, Votes};

/// One thing at a time is other than in the first row.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let base = Size::of(args.votes(2_000_000, 100_000));
    let size = |voters, candidates, locations| {
        Filling::plain(Size {
            voters,
            candidates,
            locations,
        })
    };
    let over = |partitions| Filling {
        partitions,
        ..Filling::plain(base)
    };
    let contests = |contests| Filling {
        votes: Votes::Contests(base, contests),
        ..Filling::plain(base)
    };
    let (voters, candidates, locations) = (base.voters, base.candidates, base.locations);
    let cases = [
        ("as in rate", Filling::plain(base)),
        (
            "a quarter of the voters",
            size(voters / 4, candidates, locations),
        ),
        (
            "4 times the voters",
            size(voters * 4, candidates, locations),
        ),
        ("2 candidates", size(voters, 2, locations)),
        ("100 candidates", size(voters, 100, locations)),
        ("1,000 candidates", size(voters, 1_000, locations)),
        ("no locations", size(voters, candidates, 0)),
        ("65 locations", size(voters, candidates, 65)),
        ("6,500 locations", size(voters, candidates, 6_500)),
        ("10 contests", contests(10)),
        ("100 contests", contests(100)),
        ("1 partition", over(1)),
        ("32 partitions", over(32)),
    ];
    let mut report = Report::new(
        "growth",
        format!(
            "{voters} voters, {candidates} candidates, {locations} locations, 8 partitions, -w 2, \
             unless it says otherwise"
        ),
    );
    report.rows = side_by_side(
        stage,
        "growth",
        &cases,
        &Shape::workers(2),
        args.runs().min(3),
    )?;
    let topic = stage.fill("growth-workers", &cases[0].1)?;
    let shapes = [1, 2, 4].map(Shape::workers);
    let contestants: Vec<_> = shapes.map(|shape| Box::new(shape) as _).into();
    report
        .rows
        .extend(race(stage, &topic, &contestants, args.runs().min(3))?);
    report.ratios(RATE, "as in rate", "of the first");
    Ok(report)
}
