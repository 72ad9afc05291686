//! `idle`: what a service costs that has counted all there is.

use std::thread;
use std::time::{Duration, Instant};

use crate::cli::Args;
use crate::report::{Report, Row, Unit};
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// How long the service is left alone first: the last checkpoint is written then, and its files
/// are merged.
const SETTLING: Duration = Duration::from_secs(15);

/// Looks at it for a while and does nothing.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let length = Duration::from_secs(if args.quick { 4 } else { 20 });
    let settling = if args.quick { SETTLING / 5 } else { SETTLING };
    let size = Size::of(args.votes(1_000_000, 100_000));
    let topic = stage.fill("idle", &Filling::plain(size))?;
    let mut report = Report::new(
        "idle",
        format!(
            "{} votes counted, {} s without any",
            size.voters,
            length.as_secs()
        ),
    );
    for workers in [1, 2] {
        let shape = Shape::workers(workers);
        let mut row = Row::new(shape.to_string());
        let (mut shares, mut drifts) = (Vec::new(), Vec::new());
        for run in 0..args.runs().min(3) {
            let data = format!("idle-{workers}-{run}");
            let mut service = Service::start(stage, &topic, &shape, &data)?;
            service.wait_for(topic.messages)?;
            thread::sleep(settling);
            let (before, began) = (service.usage(), Instant::now());
            thread::sleep(length);
            let after = service.usage();
            let elapsed = began.elapsed().as_secs_f64();
            shares.push((after.cpu_seconds - before.cpu_seconds) / elapsed);
            drifts.push(after.rss_bytes - before.rss_bytes);
        }
        row.figure("of a core", Unit::Share, shares)
            .figure("memory more", Unit::Bytes, drifts);
        report.rows.push(row);
    }
    report
        .notes
        .push("budget: at most 1 % of a core, memory flat".to_string());
    Ok(report)
}
