//! `restart`: from a killed service with a checkpoint to results that are served again.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::cli::Args;
use crate::report::{Report, Row, Unit};
use crate::service::{Service, Shape};
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
    let data = "restarted";
    checkpoint(stage, &topic, data, args.quick)?;
    let mut report = Report::new(
        "restart",
        format!(
            "{} ballots in the checkpoint, none behind it; kill -9 to results being served",
            size.voters
        ),
    );
    let shapes = [Shape::workers(1), Shape::workers(2)];
    let mut found = [const { (Vec::new(), Vec::new()) }; 2];
    let mut rows = shapes.clone().map(|shape| Row::new(shape.to_string()));
    for _ in 0..args.runs() {
        for ((shape, found), row) in shapes.iter().zip(&mut found).zip(&mut rows) {
            let mut service = Service::start(stage, &topic, shape, data)?;
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

/// Counts the topic, waits for a checkpoint of all of it, and kills the service.
fn checkpoint(stage: &Stage, topic: &Topic, data: &str, quick: bool) -> anyhow::Result<()> {
    let mut service = Service::start(stage, topic, &Shape::workers(2), data)?;
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
