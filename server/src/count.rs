//! The counting threads: records and registers in, publications out.
//!
//! ```text
//!  begin ── which checkpoint, log, key ──▶ workers ── view ──▶ Publisher
//!                                            │ events that changed
//!                                            ▼
//!                                          keeper ──▶ checkpoints
//! ```
//!
//! One timely worker a thread. Each takes again its share of the checkpoint, then reads its
//! partitions, hands the records to the engine and steps it; worker 0 opens the ticks, by the
//! clock and by need. What closes is applied to the snapshot by the first worker of each process,
//! and published once every partition has reached the end that it had at the start. A worker that
//! fails ends the process: a count that goes on without one of its parts would be wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use dataflow::engine::{Engine, Settings as EngineSettings};
use dataflow::log_place::LogPlace;
use dataflow::register::Register;
use dataflow::view::ViewSettings;
use timely::communication::WorkerGuards;
use timely::worker::Worker;

use crate::checkpoint::CheckpointError;
use crate::cluster::ClusterError;
use crate::format::MessageFormat;
use crate::memory::Memory;
use crate::publish::Publisher;
use crate::source::{Extent, Log, LogError};
use crate::unknown::UnknownCodes;
use crate::warnings::Warnings;
pub use begin::{BeginError, BeginSettings, Begun, begin};
use ceiling::Ceiling;
pub use ceiling::{copy as copy_ceilings, damaged as damaged_ceilings};
pub use keeper::{CheckpointStatus, Keeper};
use refusals::RefusalLog;
use restore::Before;
use ticker::Ticker;
use worker::Counter;

mod begin;
mod ceiling;
mod keeper;
mod lead;
mod rebuild;
mod refusals;
mod restore;
mod ticker;
mod view;
mod worker;

/// What the counting needs.
#[derive(Clone)]
pub struct Settings {
    /// Worker threads of this process.
    pub workers: usize,
    /// Which process this is.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
    /// How far behind a vote may be, and how long windows are served.
    pub view: ViewSettings,
    /// How messages are read.
    pub format: MessageFormat,
    /// The time between two checkpoints.
    pub checkpoint_every: Duration,
    /// Whether there is room for more votes; while there is none, nothing is read.
    pub memory: Memory,
    /// Where to say which codes the register does not know.
    pub unknown: UnknownCodes,
    /// Where to say what is odd about the messages.
    pub warnings: Warnings,
}

/// The threads that count, and what reaches them.
pub struct Counting {
    guards: WorkerGuards<Result<(), CountError>>,
    keeper: Keeper,
    threads: Vec<JoinHandle<()>>,
}

/// A cheap handle to the workers: registers, and the end.
#[derive(Clone)]
pub struct Reach {
    registers: Sender<Arc<Register>>,
    receiver: Receiver<Arc<Register>>,
    stop: Arc<AtomicBool>,
    threads: Arc<Mutex<Vec<Thread>>>,
}

/// What ends the counting.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It could not begin.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// A file of the checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The processes do not come together.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The threads do not start.
    #[error("could not start the worker threads: {0}")]
    Start(String),
    /// What was taken again is not what was kept.
    #[error(
        "checkpoint {number} does not give the counts with which it was written ({kept}, and now \
         {found}): start once with --recount to count the log from its beginning, and report this \
         as a fault"
    )]
    Restored {
        /// The checkpoint.
        number: u64,
        /// What it says.
        kept: String,
        /// What it gives.
        found: String,
    },
    /// Another process was told to end, and so all did.
    #[error("another process was told to end, and all end together; start all again to count on")]
    EndedByOther,
    /// A worker has panicked.
    #[error("a worker thread has failed: {0}; this is a bug, and a restart counts on")]
    Panic(String),
}

impl Default for Reach {
    fn default() -> Reach {
        let (registers, receiver) = crossbeam_channel::unbounded();
        Reach {
            registers,
            receiver,
            stop: Arc::default(),
            threads: Arc::default(),
        }
    }
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

    /// The flag itself, for whoever waits before there are workers.
    pub fn stop_flag(&self) -> &AtomicBool {
        &self.stop
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

/// What all workers of a process use.
struct Shared {
    log: Arc<dyn Log>,
    receiver: Receiver<Arc<Register>>,
    reach: Reach,
    publisher: Publisher,
    keeper: Keeper,
    before: Option<Arc<Before>>,
    /// What is in force after the start.
    register: Arc<Register>,
    /// The version of what process 0 has as that; it alone reads registers.
    register_version: String,
    /// Where the partitions ended at the start.
    extents: Vec<Extent>,
    workers: usize,
    processes: usize,
    checkpoint_every: Duration,
    memory: Memory,
    next_checkpoint: u64,
    accept_truncated: bool,
    unknown: UnknownCodes,
    warnings: Warnings,
    refusal_log: RefusalLog,
}

impl Shared {
    /// Whether this start's register takes the place of the checkpoint's. A version that an
    /// earlier program made otherwise is another one, too.
    fn replaces_register(&self) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| before.manifest().register_version != self.register_version)
    }

    /// Whether a partition of which nothing is counted yet may be counted.
    fn check_first(&self, extent: &Extent) -> Result<(), BeginError> {
        if extent.partition > LogPlace::PARTITION_MAX {
            return Err(BeginError::ManyPartitions {
                topic: self.log.topic().to_string(),
                partition: extent.partition,
            });
        }
        if extent.first_offset > 0 && !self.accept_truncated {
            return Err(BeginError::Truncated {
                topic: self.log.topic().to_string(),
                partition: extent.partition,
                first_offset: extent.first_offset,
            });
        }
        Ok(())
    }
}

impl Counting {
    /// Starts the workers on what was begun with, under a register. `failed` is called, on a
    /// worker's thread, when one of them ends by an error.
    pub fn start(
        settings: Settings,
        mut begun: Begun,
        log: Arc<dyn Log>,
        register: Arc<Register>,
        reach: Reach,
        publisher: Publisher,
        failed: impl Fn(&CountError) + Send + Sync + 'static,
    ) -> Result<Counting, CountError> {
        let register_version = match &mut begun.links {
            Some(links) => links.share(register.version())?,
            None => register.version(),
        };
        let threads = |error: std::io::Error| CountError::Start(error.to_string());
        let woken = reach.clone();
        let keeping = keeper::Settings {
            place: begun.place.clone(),
            process: settings.process,
            processes: settings.processes,
            workers: settings.workers,
            topic: log.topic().to_string(),
            topic_id: begun.topic_id.clone(),
            key_fingerprint: begun.key.fingerprint(),
            lateness_ms: settings.view.lateness_ms,
            format: settings.format.identity.clone(),
            next_number: begun.next_number,
            runs: begun
                .before
                .as_ref()
                .map(|before| before.manifest().runs.clone())
                .unwrap_or_default(),
            damaged: begun.damaged,
            is_first: begun.before.is_none(),
            register: match &begun.before {
                Some(before) => Arc::clone(&before.register),
                None => Arc::clone(&register),
            },
        };
        let (keeper, keeper_thread) =
            Keeper::start(keeping, move || woken.wake()).map_err(threads)?;
        let mut own_threads = vec![keeper_thread];
        let mut ticker = None;
        if settings.process == 0 {
            let (woken, status) = (reach.clone(), keeper.clone());
            let told = move |error| {
                status.tell_tick_error(error);
                woken.wake();
            };
            let (ceiling, thread) =
                Ceiling::start(begun.place, begun.last_tick, told).map_err(threads)?;
            own_threads.push(thread);
            ticker = Some(Ticker::new(ceiling));
        }
        let woken = reach.clone();
        settings.memory.on_room(move || woken.wake());
        let shared = Shared {
            extents: begun.extents,
            log,
            receiver: reach.receiver.clone(),
            reach,
            publisher,
            keeper: keeper.clone(),
            before: begun.before,
            register,
            register_version,
            workers: settings.workers,
            processes: settings.processes,
            checkpoint_every: settings.checkpoint_every,
            memory: settings.memory.clone(),
            next_checkpoint: begun.next_number,
            accept_truncated: begun.accept_truncated,
            unknown: settings.unknown.clone(),
            warnings: settings.warnings.clone(),
            refusal_log: RefusalLog::default(),
        };
        let engine = EngineSettings {
            hash_key: begun.key.bytes(),
            lateness_ms: settings.view.lateness_ms,
            format: Arc::clone(&settings.format.format),
            workers_per_process: settings.workers,
            restores: shared.before.is_some(),
            keeps: true,
        };
        let ticker = Mutex::new(ticker);
        let lock = begun._lock;
        let work = move |worker: &mut Worker| {
            // Held until the last worker has ended.
            let _ = &lock;
            let counted = work(worker, engine.clone(), &shared, &settings.view, &ticker);
            let counted = match counted {
                Ok(()) if !shared.reach.stopping() => Err(CountError::EndedByOther),
                counted => counted,
            };
            if let Err(error) = &counted {
                failed(error);
            }
            counted
        };
        let guards = match begun.links {
            Some(links) => links.execute(settings.workers, work)?,
            None => timely::execute(timely::Config::process(settings.workers), work)
                .map_err(CountError::Start)?,
        };
        Ok(Counting {
            guards,
            keeper,
            threads: own_threads,
        })
    }

    /// The handle to what checkpoints are made by.
    pub fn keeper(&self) -> Keeper {
        self.keeper.clone()
    }

    /// Leaves workers alone that cannot end any more: the process is about to.
    pub fn abandon(self) {
        std::mem::forget(self.guards);
    }

    /// Waits until all workers have ended.
    pub fn join(self) -> Result<(), CountError> {
        let mut outcome = Ok(());
        for ended in self.guards.join() {
            let ended = ended.map_err(CountError::Panic).and_then(|ended| ended);
            // That is told already, and no failure of this process.
            let ended = ended.or_else(|error| match error {
                CountError::EndedByOther => Ok(()),
                error => Err(error),
            });
            outcome = outcome.and(ended);
        }
        self.keeper.end();
        for thread in self.threads {
            // One that has panicked has said so.
            let _ = thread.join();
        }
        outcome
    }
}

/// One worker's life.
fn work(
    worker: &mut Worker,
    engine: EngineSettings,
    shared: &Shared,
    view: &ViewSettings,
    ticker: &Mutex<Option<Ticker>>,
) -> Result<(), CountError> {
    shared.reach.threads().push(std::thread::current());
    let engine = Engine::new(worker, engine);
    let ticker = if worker.index() == 0 {
        // Taken by worker 0 alone, so nobody can have panicked with it.
        ticker.lock().unwrap_or_else(PoisonError::into_inner).take()
    } else {
        None
    };
    Counter::new(worker, engine, shared, view, ticker)?.run()
}
