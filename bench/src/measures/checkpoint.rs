//! `checkpoint`: what writing checkpoints costs the counting.

use crate::cli::Args;
use crate::race::{Contestant, RATE, race};
use crate::report::Report;
use crate::service::Shape;
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// Longer than any run. What is new is written to files all the same, a million at a time, so
/// this is not the price of all of it.
const NEVER: &str = "--checkpoint-every=1000h";

/// The same topic with checkpoints often, as usual, and never.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let size = Size::of(args.votes(8_000_000, 200_000));
    let topic = stage.fill("checkpoint", &Filling::plain(size))?;
    let never = Shape::workers(2).with(NEVER);
    let contestants: Vec<Box<dyn Contestant>> = vec![
        Box::new(never.clone()),
        Box::new(Shape::workers(2)),
        Box::new(Shape::workers(2).with("--checkpoint-every=1s")),
    ];
    let mut report = Report::new(
        "checkpoint",
        format!(
            "{} votes, checkpoints never, every 10 s, every second",
            size.voters
        ),
    );
    contestants[0].run(stage, &topic)?;
    report.rows = race(stage, &topic, &contestants, args.runs())?;
    report.ratios(RATE, &never.to_string(), "of never");
    Ok(report)
}
