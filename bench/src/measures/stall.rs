//! `stall`: how long one tick takes while the accept state grows to 10 million voters, in memory.
//!
//! Ticks are small and alike, so what one of them takes longer than the others is what growing,
//! or the machine, costs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use dataflow::engine::{Engine, Mark, Settings};
use dataflow::view::{Snapshot, ViewSettings};
use producer::election::Simulation;
use producer::{Batch, Election, Options, Replay};
use timely::worker::Worker;

use crate::cli::Args;
use crate::report::{Report, Row, Unit};
use crate::sample::Sample;
use crate::stage::Stage;

const PARTITIONS: u32 = 8;
const TICK_MESSAGES: usize = 2_000;
const RUNS_MAX: usize = 3;

/// One worker, one cast each.
pub fn measure(_: &Stage, args: &Args) -> anyhow::Result<Report> {
    let voters = args.votes(10_000_000, 200_000);
    let election = Arc::new(Election::simulated(Simulation {
        voters,
        candidates: 12,
        locations: 650,
        seed: 1,
    })?);
    let mut runs = Vec::new();
    for _ in 0..args.runs().min(RUNS_MAX) {
        let election = Arc::clone(&election);
        let times = timely::execute_directly(move |worker| ticks_ms(worker, &election));
        runs.push(Sample::new(times?).context("no ticks")?);
    }
    let mut report = Report::new(
        "stall",
        format!("{voters} voters one after the other, ticks of {TICK_MESSAGES}, one worker"),
    );
    let mut row = Row::new("a tick");
    let at = |share: f64| runs.iter().map(move |run| run.percentile(share));
    row.figure("p50", Unit::Millis, at(0.5))
        .figure("p99", Unit::Millis, at(0.99))
        .figure("p99.9", Unit::Millis, at(0.999))
        .figure("most", Unit::Millis, at(1.0));
    report.rows.push(row);
    report
        .notes
        .push("budget: no stall over 50 ms while it grows".to_string());
    Ok(report)
}

/// How long each tick takes, from its first message to the published snapshot.
fn ticks_ms(worker: &mut Worker, election: &Election) -> anyhow::Result<Vec<f64>> {
    let (lateness_ms, horizon_ms) = (60_000, 86_400_000);
    let mut engine = Engine::new(
        worker,
        Settings {
            hash_key: *b"a key for bench.",
            lateness_ms,
            format: Arc::default(),
            workers_per_process: 1,
            restores: false,
            keeps: true,
        },
    );
    (0..PARTITIONS).for_each(|partition| engine.begin(partition, 0));
    engine.adopt(&election.register());
    while !engine.has_register() {
        engine.step(None);
    }
    let mut snapshot = Arc::new(Snapshot::empty(ViewSettings {
        topic: "votes".into(),
        lateness_ms,
        horizon_ms,
    }));
    let mut replay = Replay::new(election, &Options::default())?;
    let mut batch = Batch::new();
    let mut next = [0; PARTITIONS as usize];
    let mut times = Vec::new();
    for tick in 1.. {
        if replay.fill(&mut batch, TICK_MESSAGES) == 0 {
            break;
        }
        let started = Instant::now();
        for message in batch.messages() {
            let partition = message.key.last().copied().unwrap_or_default() % PARTITIONS as u8;
            let offset = &mut next[usize::from(partition)];
            // Nothing is refused.
            let _ = engine.take(u32::from(partition), *offset, None, message.bytes);
            *offset += 1;
        }
        engine.close_at(tick, Mark::None);
        while engine.ticks_in_flight() > 0 {
            for closed in engine.step(Some(Duration::ZERO)) {
                snapshot = snapshot.apply(closed).snapshot;
            }
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
        // What a checkpoint would take, it takes between ticks.
        while engine.next_keep().is_some() {}
    }
    Ok(times)
}
