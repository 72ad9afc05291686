//! Runs the whole core over given steps, for tests and benches: no shell, no clock, no log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::Config;

use crate::engine::{Engine, Settings as EngineSettings};
use crate::register::Register;
use crate::view::{Publication, Snapshot, ViewSettings};

/// What the counting depends on besides messages and registers, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The allowed lateness.
    pub lateness_ms: i64,
    /// How long cells are served apart.
    pub horizon_ms: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lateness_ms: 60_000,
            horizon_ms: 86_400_000,
        }
    }
}

/// How long a worker that has nothing to do sleeps when no other wakes it.
const PARK: Option<Duration> = Some(Duration::from_millis(1));

/// A message: partition, offset, log time, bytes.
pub type Message = (u32, i64, Option<i64>, Vec<u8>);

/// What comes in before a tick closes.
#[derive(Clone, Debug)]
pub struct Step {
    /// In force from this tick on; it must have been checked.
    pub register: Option<Arc<Register>>,
    /// In offset order for each partition.
    pub messages: Vec<Message>,
    /// The tick that closes.
    pub tick: u64,
}

/// Runs the steps with a number of workers and gives what each tick publishes. The first step has
/// a register.
pub fn run(
    workers: usize,
    partitions: u32,
    settings: Settings,
    steps: Vec<Step>,
) -> Vec<Publication> {
    let published = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&published);
    let steps = Arc::new(steps);
    let guards = timely::execute(Config::process(workers), move |worker| {
        let index = worker.index();
        let engine_settings = EngineSettings {
            hash_key: *b"a key for tests.",
            lateness_ms: settings.lateness_ms,
            workers_per_process: workers,
        };
        let mut engine = Engine::new(worker, engine_settings);
        let mut snapshot = Arc::new(Snapshot::empty(ViewSettings {
            topic: "votes".into(),
            lateness_ms: settings.lateness_ms,
            horizon_ms: settings.horizon_ms,
        }));
        for partition in (0..partitions).filter(|p| *p as usize % workers == index) {
            engine.begin(partition, 0);
        }
        for step in steps.iter() {
            if let Some(register) = step.register.as_ref().filter(|_| index == 0) {
                engine.adopt(register);
            }
            while !engine.has_register() {
                engine.step(PARK);
            }
            for (partition, offset, log_time_ms, bytes) in &step.messages {
                if *partition as usize % workers == index {
                    // What is refused is counted; nobody keeps it here.
                    let _ = engine.take(*partition, *offset, *log_time_ms, bytes);
                }
            }
            engine.close_at(step.tick);
            while engine.ticks_in_flight() > 0 {
                for closed in engine.step(PARK) {
                    let publication = snapshot.apply(closed);
                    snapshot = Arc::clone(&publication.snapshot);
                    if index == 0 {
                        sink.lock()
                            .expect("no worker has panicked")
                            .push(publication);
                    }
                }
            }
        }
    })
    .expect("threads can be started");
    for guard in guards.join() {
        guard.expect("no worker panics");
    }
    Arc::into_inner(published)
        .and_then(|published| published.into_inner().ok())
        .expect("all workers have ended")
}
