//! The counting threads: records and registers in, publications out.
//!
//! One timely worker a thread. Each reads its partitions, hands the records to the engine and
//! steps it; worker 0 opens the ticks, by the clock and by need. What closes is applied to the
//! snapshot by the first worker of the process, and published once every partition has reached
//! the end that it had at the start. A worker that fails ends the process: a count that goes on
//! without one of its parts would be wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use crossbeam_channel::{Receiver, Sender};
use dataflow::engine::{Engine, Settings as EngineSettings};
use dataflow::register::Register;
use dataflow::view::ViewSettings;
use timely::communication::WorkerGuards;

use crate::facts::Facts;
use crate::publish::Publisher;
use crate::source::{Extent, Log, LogError};
use ticker::Ticker;
use worker::Counter;

mod ticker;
mod worker;

/// What the counting needs.
pub struct Settings {
    /// Worker threads.
    pub workers: usize,
    /// The key of the hashes of voters.
    pub hash_key: [u8; 16],
    /// How far behind a vote may be, and how long windows are served.
    pub view: ViewSettings,
}

/// The threads that count, and what reaches them.
pub struct Counting {
    guards: WorkerGuards<Result<(), CountError>>,
    reach: Reach,
}

/// A cheap handle to the workers: registers, and the end.
#[derive(Clone)]
pub struct Reach {
    registers: Sender<Arc<Register>>,
    stop: Arc<AtomicBool>,
    threads: Arc<Mutex<Vec<Thread>>>,
}

/// What ends the counting.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The log cannot be read, or a fact not be stored.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The threads do not start.
    #[error("could not start the worker threads: {0}")]
    Start(String),
    /// A worker has panicked.
    #[error("a worker thread has failed: {0}; this is a bug, and a restart counts on")]
    Panic(String),
}

impl Reach {
    /// Puts a checked register in force.
    pub fn adopt(&self, register: Arc<Register>) {
        // Nobody takes it any more only when the workers have ended.
        let _ = self.registers.send(register);
        self.wake();
    }

    /// Asks the workers to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether the workers were asked to end.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        for thread in self.threads().iter() {
            thread.unpark();
        }
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<Thread>> {
        // A list of threads is whole whoever panicked while holding it.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counting {
    /// Starts the workers on all of a log, under a register. `failed` is called, on a worker's
    /// thread, when one of them ends by an error.
    pub fn start(
        settings: Settings,
        log: Arc<dyn Log>,
        register: Arc<Register>,
        facts: Facts,
        last_tick: u64,
        publisher: Publisher,
        failed: impl Fn(&CountError) + Send + Sync + 'static,
    ) -> Result<Counting, CountError> {
        let (registers, receiver) = crossbeam_channel::unbounded();
        let reach = Reach {
            registers,
            stop: Arc::default(),
            threads: Arc::default(),
        };
        reach.adopt(register);
        let shared = Shared {
            extents: log.extents()?,
            log,
            receiver,
            reach: reach.clone(),
            publisher,
        };
        let config = timely::Config::process(settings.workers);
        let ticker = Mutex::new(Some(Ticker::new(facts, last_tick)));
        let guards = timely::execute(config, move |worker| {
            shared.reach.threads().push(std::thread::current());
            let engine = Engine::new(
                worker,
                EngineSettings {
                    hash_key: settings.hash_key,
                    lateness_ms: settings.view.lateness_ms,
                    workers_per_process: settings.workers,
                    restores: false,
                    keeps: false,
                },
            );
            let ticker = if worker.index() == 0 {
                // Taken by worker 0 alone, so nobody can have panicked with it.
                ticker.lock().unwrap_or_else(PoisonError::into_inner).take()
            } else {
                None
            };
            let outcome = Counter::new(worker, engine, &shared, &settings.view, ticker)
                .and_then(Counter::run);
            if let Err(error) = &outcome {
                failed(error);
            }
            outcome
        })
        .map_err(CountError::Start)?;
        Ok(Counting { guards, reach })
    }

    /// A handle to the workers.
    pub fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Ends the workers and waits for them.
    pub fn end(self) -> Result<(), CountError> {
        self.reach.stop();
        let mut outcome = Ok(());
        for guard in self.guards.join() {
            outcome = outcome.and(guard.map_err(CountError::Panic).flatten());
        }
        outcome
    }
}

/// What the workers of a process share.
struct Shared {
    log: Arc<dyn Log>,
    /// The partitions as they were at the start.
    extents: Vec<Extent>,
    receiver: Receiver<Arc<Register>>,
    reach: Reach,
    publisher: Publisher,
}
