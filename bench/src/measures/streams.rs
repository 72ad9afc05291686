//! `streams`: how late frames reach thousands of subscribers while votes are counted, and what a
//! subscriber costs.

use std::thread;
use std::time::{Duration, Instant};

use crate::cli::Args;
use crate::load::{Load, Pace};
use crate::report::{Report, Row, Unit};
use crate::sample::Sample;
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::subscribers::{Heard, Subscribers};
use crate::topic::{Filling, Size};

/// More partitions make longer frames, since a frame has all offsets.
const PARTITIONS: i32 = 2;

/// So long that a tick changes a window or two, and a frame stays at about a kilobyte.
const WINDOW_MS: u64 = 86_400_000;

/// How long votes flow before frames count: subscribers fall into step with each other.
const SETTLING: Duration = Duration::from_secs(2);

/// How long a frame may be under way.
const PATIENCE: Duration = Duration::from_secs(2);

/// More runs than this say nothing more, and take minutes each.
const RUNS_MAX: usize = 3;

/// Who listens, and how much is counted meanwhile.
#[derive(Clone, Copy)]
struct Scene {
    subscribers: usize,
    interval_ms: u64,
    votes_per_second: u64,
}

const SCENES: [Scene; 4] = [
    scene(100, 100, 100_000),
    scene(1_000, 100, 100_000),
    scene(2_000, 100, 100_000),
    scene(10_000, 200, 10_000),
];

const QUICK: [Scene; 2] = [scene(100, 100, 10_000), scene(1_000, 200, 1_000)];

const fn scene(subscribers: usize, interval_ms: u64, votes_per_second: u64) -> Scene {
    Scene {
        subscribers,
        interval_ms,
        votes_per_second,
    }
}

/// What one run has found.
struct Found {
    heard: Option<Heard>,
    counted_per_second: f64,
    cpu_share: f64,
    rss_bytes: f64,
}

/// Each scene with its subscribers, and once without.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let length = Duration::from_secs(if args.quick { 4 } else { 20 });
    let scenes: &[Scene] = if args.quick { &QUICK } else { &SCENES };
    let mut report = Report::new(
        "streams",
        format!(
            "frames to subscribers while votes are counted, {} s, -w 1",
            length.as_secs()
        ),
    );
    let mut run = 0;
    let mut next = |shape: &Shape, scene, length| {
        run += 1;
        play(stage, &format!("streams-{run}"), shape, scene, length)
    };
    let shapes = stage.builds(&Shape::workers(1));
    let mut alone: Option<(u64, Found)> = None;
    for scene in scenes {
        if alone
            .as_ref()
            .is_none_or(|(rate, _)| *rate != scene.votes_per_second)
        {
            let nobody = Scene {
                subscribers: 0,
                ..*scene
            };
            alone = Some((scene.votes_per_second, next(&shapes[0], nobody, length)?));
        }
        let without = alone.as_ref().map_or(0.0, |(_, found)| found.rss_bytes);
        let mut runs: Vec<Vec<Found>> = shapes.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.runs().min(RUNS_MAX) {
            for (shape, runs) in shapes.iter().zip(&mut runs) {
                runs.push(next(shape, *scene, length)?);
            }
        }
        for (shape, runs) in shapes.iter().zip(&runs) {
            report.rows.push(row(shape, scene, runs, without));
        }
    }
    report.notes.push(
        "budgets: 2,000 at 10 Hz while counting 100,000 votes/s: p99 at most 100 ms; 10,000 at 5 \
         Hz: p99 at most 150 ms, at most 24 KB each"
            .to_string(),
    );
    report.notes.push(
        "delay: from the tick to reading the frame; came: of one frame a subscriber for each tick \
         that any of them got; the clients and the producer are on the same cores"
            .to_string(),
    );
    Ok(report)
}

fn play(
    stage: &Stage,
    name: &str,
    shape: &Shape,
    scene: Scene,
    length: Duration,
) -> anyhow::Result<Found> {
    let seconds = (SETTLING + length + PATIENCE).as_secs() + 10;
    let size = Size {
        voters: scene.votes_per_second * seconds,
        candidates: 2,
        locations: 0,
    };
    let filling = Filling::plain(size);
    let topic = stage.empty_topic(name, PARTITIONS, &filling, |register| {
        register["contests"][0]["window_ms"] = WINDOW_MS.into();
        register["contests"][0]["slide_ms"] = WINDOW_MS.into();
    })?;
    let mut service = Service::start(stage, &topic, shape, name)?;
    service.wait_until_ready(Duration::from_millis(10))?;
    let route = format!("/api/v1/stream?interval_ms={}", scene.interval_ms);
    let subscribers = (scene.subscribers > 0)
        .then(|| Subscribers::connect(service.address(), &route, scene.subscribers))
        .transpose()?;
    let load = Load::start(stage, name, size, Pace::PerSecond(scene.votes_per_second))?;
    thread::sleep(SETTLING);
    let (began, messages, usage) = (Instant::now(), service.messages()?, service.usage());
    let heard = match subscribers {
        Some(subscribers) => Some(subscribers.hear(length, PATIENCE)?),
        None => {
            thread::sleep(length + PATIENCE);
            None
        }
    };
    let (elapsed, after) = (began.elapsed().as_secs_f64(), service.usage());
    let counted = service.messages()? - messages;
    drop(load);
    Ok(Found {
        heard,
        counted_per_second: counted as f64 / elapsed,
        cpu_share: (after.cpu_seconds - usage.cpu_seconds) / elapsed,
        rss_bytes: after.rss_bytes,
    })
}

fn row(shape: &Shape, scene: &Scene, runs: &[Found], without_bytes: f64) -> Row {
    let count = scene.subscribers as f64;
    let mut row = Row::new(format!(
        "{shape}: {} at {} ms, {} votes/s",
        scene.subscribers, scene.interval_ms, scene.votes_per_second
    ));
    let heard = || runs.iter().filter_map(|found| found.heard.as_ref());
    let delays: Vec<Sample> = heard()
        .filter_map(|heard| Sample::new(heard.delays_ms.iter().copied()))
        .collect();
    let at = |share: f64| delays.iter().map(move |delays| delays.percentile(share));
    let wanted = |heard: &Heard| heard.ticks() as f64 * count;
    row.figure("p50", Unit::Millis, at(0.5))
        .figure("p99", Unit::Millis, at(0.99))
        .figure("most", Unit::Millis, at(1.0))
        .figure(
            "came",
            Unit::Share,
            heard().map(|heard| heard.delays_ms.len() as f64 / wanted(heard)),
        )
        .figure("frame", Unit::Bytes, heard().map(Heard::frame_bytes))
        .figure(
            "a subscriber",
            Unit::Bytes,
            runs.iter()
                .map(|found| (found.rss_bytes - without_bytes) / count),
        )
        .figure(
            "processor",
            Unit::Share,
            runs.iter().map(|found| found.cpu_share),
        )
        .figure(
            "counted",
            Unit::PerSecond,
            runs.iter().map(|found| found.counted_per_second),
        );
    let ended: usize = heard().map(|heard| heard.ended).sum();
    if ended > 0 {
        row.remarks
            .push(format!("{ended} streams were ended by the service"));
    }
    row
}
