//! `restart`: from a killed service with a checkpoint to results that are served again.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::cli::Args;
use crate::report::{Report, Row, Unit};
use crate::service::{Build, Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size, Topic};

/// How often readiness is asked for.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// How long a checkpoint may take, once all is counted.
const CHECKPOINT_MAX: Duration = Duration::from_secs(120);

/// How long files are merged in the background after that, at most; a start should not find them
/// half done in one round and done in the next.
const MERGING: Duration = Duration::from_secs(10);

/// Kills and starts it again and again.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let size = Size::of(args.votes(10_000_000, 200_000));
    let topic = stage.fill("restart", &Filling::plain(size))?;
    // Each build has a checkpoint of its own: their formats may differ.
    for shape in stage.builds(&Shape::workers(2)) {
        checkpoint(stage, &topic, &shape, args.quick)?;
    }
    let mut report = Report::new(
        "restart",
        format!(
            "{} ballots in the checkpoint, none behind it; kill -9 to results being served",
            size.voters
        ),
    );
    let shapes = [Shape::workers(1), Shape::workers(2)];
    let shapes: Vec<Shape> = shapes.iter().flat_map(|it| stage.builds(it)).collect();
    let mut found = vec![(Vec::new(), Vec::new()); shapes.len()];
    let mut rows: Vec<Row> = shapes.iter().map(|it| Row::new(it.to_string())).collect();
    for _ in 0..args.runs() {
        for ((shape, found), row) in shapes.iter().zip(&mut found).zip(&mut rows) {
            let mut service = Service::start(stage, &topic, shape, data(shape))?;
            found
                .0
                .push(service.wait_until_ready(ASK_EVERY)?.as_secs_f64());
            found.1.push(service.usage().rss_peak_bytes);
            let differences = service.differences(&topic.expected)?;
            if !differences.is_empty() {
                row.remarks
                    .push(format!("WRONG: {}", differences.join(", ")));
            }
            service.kill();
        }
    }
    for ((seconds, bytes), mut row) in found.into_iter().zip(rows) {
        row.figure("until ready", Unit::Seconds, seconds)
            .figure("memory", Unit::Bytes, bytes);
        report.rows.push(row);
    }
    report
        .notes
        .push("budget: at most 5 s with 10 M ballots".to_string());
    Ok(report)
}

/// The data directory of a build.
fn data(shape: &Shape) -> &'static str {
    match shape.build {
        Build::Measured => "restarted",
        Build::Before => "restarted-before",
    }
}

/// Counts the topic, waits for a checkpoint of all of it, and kills the service.
fn checkpoint(stage: &Stage, topic: &Topic, shape: &Shape, quick: bool) -> anyhow::Result<()> {
    let mut service = Service::start(stage, topic, shape, data(shape))?;
    service.wait_for(topic.messages)?;
    let status = || service.ask("/api/v1/status")?.context("no status");
    let counted_at = status()?["tick"].as_u64().context("no tick")?;
    let deadline = Instant::now() + CHECKPOINT_MAX;
    loop {
        let newest = status()?["checkpoint"]["newest"]["tick"].as_u64();
        if newest.is_some_and(|tick| tick >= counted_at) {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "no checkpoint of all votes in time"
        );
        std::thread::sleep(ASK_EVERY);
    }
    if !quick {
        std::thread::sleep(MERGING);
    }
    service.kill();
    Ok(())
}
