//! `rate`: votes a second from Kafka to published views, against a loop and against peers.

use crate::cli::Args;
use crate::peers::{Loop, Peer};
use crate::race::{Contestant, RATE, race};
use crate::report::Report;
use crate::sample::Sample;
use crate::service::Shape;
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// Counts one topic with each.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let size = Size::of(args.votes(4_000_000, 200_000));
    let topic = stage.fill("rate", &Filling::plain(size))?;
    let mut contestants: Vec<Box<dyn Contestant>> = vec![Box::new(Loop)];
    let two_processes = Shape {
        processes: 2,
        ..Shape::workers(1)
    };
    for shape in [Shape::workers(1), Shape::workers(2), two_processes] {
        let builds = stage.builds(&shape);
        contestants.extend(builds.into_iter().map(|it| Box::new(it) as _));
    }
    let mut peers = Vec::new();
    if args.peers {
        for peer in Peer::all(2)? {
            peers.push(peer.name());
            contestants.push(Box::new(peer));
        }
    }
    let mut report = Report::new(
        "rate",
        format!(
            "{} votes of {} candidates and {} locations in 8 partitions, Kafka to published views",
            size.voters, size.candidates, size.locations
        ),
    );
    // What is read first comes from a disk and warms the broker up: it is nobody's time.
    Loop.run(stage, &topic)?;
    report.rows = race(stage, &topic, &contestants, args.runs())?;
    report.ratios(RATE, "loop", "of loop");
    for workers in [1, 2] {
        let before = Shape::workers(workers).before().to_string();
        report.ratios(RATE, &before, &format!("of {before}"));
    }
    let rate = |name: &String| {
        let sample = report.row(name).and_then(|row| row.sample(RATE));
        sample.map_or(0.0, Sample::median)
    };
    let best = peers.iter().max_by(|a, b| rate(a).total_cmp(&rate(b)));
    if let Some(best) = best.cloned() {
        report.ratios(RATE, &best, "of the best peer");
    }
    report.notes.push(
        "budgets: -w 2 at least 2.5x the loop and 15x the best peer, -w 1 at least 1.6x the loop"
            .to_string(),
    );
    Ok(report)
}
