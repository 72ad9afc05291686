//! `latency`: from handing a vote to Kafka to a subscriber who sees it counted, beside other
//! votes, more and more of them until the service falls behind.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use crate::cli::Args;
use crate::load::{Load, Pace};
use crate::probes::{self, CANDIDATE, Watcher};
use crate::report::{Report, Row, Unit};
use crate::sample::Sample;
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size, Topic};

const PARTITIONS: i32 = 8;

/// Fifty probes a second: many enough for a p99, and no load.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// How long votes flow before probes count.
const SETTLING: Duration = Duration::from_secs(2);

/// How long the last probe may take to be seen; what takes longer is lost, for this measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Below this share of the votes that were asked for, somebody cannot follow.
const FOLLOWS: f64 = 0.95;

/// No machine of this kind sends more in a second; voters are made up for so many.
const PER_SECOND_MAX: u64 = 600_000;

const PACES: [Pace; 7] = [
    Pace::PerSecond(1_000),
    Pace::PerSecond(10_000),
    Pace::PerSecond(100_000),
    Pace::PerSecond(200_000),
    Pace::PerSecond(300_000),
    Pace::PerSecond(400_000),
    Pace::Max,
];

const QUICK: [Pace; 2] = [Pace::PerSecond(1_000), Pace::PerSecond(10_000)];

/// What one run has found.
struct Found {
    delays_ms: Sample,
    unseen: usize,
    counted_per_second: f64,
    lag: u64,
}

/// Each pace, once; the values are those of the probes.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let length = Duration::from_secs(if args.quick { 4 } else { 20 });
    let paces: &[Pace] = if args.quick { &QUICK } else { &PACES };
    let mut report = Report::new(
        "latency",
        format!(
            "a vote handed to Kafka to a subscriber of every tick, {} s beside other votes, -w 2",
            length.as_secs()
        ),
    );
    for (number, pace) in (1..).zip(paces) {
        let runs: anyhow::Result<Vec<Found>> = (1..=args.runs().min(3) as u32)
            .map(|run| play(stage, number * 10 + run, *pace, length))
            .collect();
        let runs = runs?;
        report.rows.push(row(*pace, &runs));
        if let Some(said) = saturation(*pace, &runs) {
            report.notes.push(said);
            break;
        }
    }
    report.notes.push(
        "delay: from the time at which a vote was due to be sent to reading the frame that counts \
         it; the broker and the producers are on the same cores"
            .to_string(),
    );
    report.notes.push(
        "budget: at half of the highest load, p50 at most 15 ms, p99 at most 50 ms".to_string(),
    );
    Ok(report)
}

fn play(stage: &Stage, run: u32, pace: Pace, length: Duration) -> anyhow::Result<Found> {
    let per_second = match pace {
        Pace::PerSecond(rate) => rate,
        Pace::Max => PER_SECOND_MAX,
    };
    let size = Size {
        voters: per_second * ((SETTLING + length).as_secs() + 5),
        candidates: 5,
        locations: 0,
    };
    let name = format!("latency-{run}");
    let topic = topic(stage, &name, size)?;
    let mut service = Service::start(stage, &topic, &Shape::workers(2), &name)?;
    service.wait_until_ready(Duration::from_millis(10))?;
    let watcher = Watcher::start(service.address())?;
    let load = Load::start(stage, &name, size, pace)?;
    thread::sleep(SETTLING);
    let (began, before) = (Instant::now(), service.messages()?);
    let count = (length.as_millis() / PROBE_EVERY.as_millis()) as usize;
    let bootstrap = stage.broker.address();
    let sent = probes::send(&bootstrap, &name, run, count, PROBE_EVERY)?;
    let counted = service.messages()? - before;
    let elapsed = began.elapsed().as_secs_f64();
    let lag = lag(&service)?;
    drop(load);
    let (ends, deadline) = (sent.ends(), Instant::now() + PATIENCE);
    while !watcher.has_passed(&ends) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    let frames = watcher.end();
    let (delays_ms, unseen) = sent.delays_ms(&frames);
    let seen = frames.iter().rev().find_map(|frame| frame.probes);
    ensure!(
        unseen > 0 || seen == Some(count as u64),
        "{seen:?} probes are counted of {count}: the count is wrong"
    );
    Ok(Found {
        delays_ms: Sample::new(delays_ms).context("no probe was ever seen")?,
        unseen,
        counted_per_second: counted as f64 / elapsed,
        lag,
    })
}

/// A topic without votes yet, and a register that knows whom probes vote for.
fn topic(stage: &Stage, name: &str, size: Size) -> anyhow::Result<Topic> {
    stage.empty_topic(name, PARTITIONS, &Filling::plain(size), |register| {
        let mut probe = register["candidates"][0].clone();
        probe["candidate_id"] = CANDIDATE.into();
        probe["candidate_name"] = CANDIDATE.into();
        probe["position"] = json!(1_000);
        if let Some(candidates) = register["candidates"].as_array_mut() {
            candidates.push(probe);
        }
    })
}

/// Messages in the log that are not counted.
fn lag(service: &Service) -> anyhow::Result<u64> {
    let status = service.ask("/api/v1/status")?.context("no status")?;
    let partitions = status["partitions"].as_array().into_iter().flatten();
    Ok(partitions.filter_map(|it| it["lag"].as_u64()).sum())
}

/// Says who no longer follows, if somebody does not.
fn saturation(pace: Pace, runs: &[Found]) -> Option<String> {
    let Pace::PerSecond(rate) = pace else {
        return None;
    };
    let wanted = rate as f64 * FOLLOWS;
    let slow = runs
        .iter()
        .find(|found| found.counted_per_second < wanted)?;
    // A second's votes are more than what is always under way.
    let who = if slow.lag > rate {
        "the service no longer follows"
    } else {
        "the producer beside the service sends no more than it counts"
    };
    Some(format!("at {pace} {who}"))
}

fn row(pace: Pace, runs: &[Found]) -> Row {
    let mut row = Row::new(format!("beside {pace}"));
    let at = |share: f64| {
        runs.iter()
            .map(move |found| found.delays_ms.percentile(share))
    };
    row.figure("p50", Unit::Millis, at(0.5))
        .figure("p99", Unit::Millis, at(0.99))
        .figure("most", Unit::Millis, at(1.0))
        .figure(
            "counted",
            Unit::PerSecond,
            runs.iter().map(|found| found.counted_per_second),
        )
        .figure(
            "behind",
            Unit::Count,
            runs.iter().map(|found| found.lag as f64),
        );
    let unseen: usize = runs.iter().map(|found| found.unseen).sum();
    if unseen > 0 {
        row.remarks
            .push(format!("{unseen} probes were not seen in time"));
    }
    row
}
