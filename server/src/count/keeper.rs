//! Brings what the workers keep into checkpoints, on a thread of its own in each process.
//!
//! ```text
//!  workers ── events ──▶ pending rows ── a file of them ──▶ place
//!          ── cut n ───▶ the rest of them: the part of this process ──┐ words, by timely
//!  view    ── totals n ──────────────────────▶ process 0 ◀────────────┘
//!                                              manifest n, sweep, merge
//! ```
//!
//! The workers never wait for a disk: while the place has no room for files, rows wait here, up to
//! a bound; beyond it no checkpoint is made until a restart, and the counting goes on, since the
//! log still has everything. While nothing at all can be written there, ticks stop first, for want
//! of their ceiling.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use dataflow::directory::Directory;
use dataflow::engine::Position;
use dataflow::kept::Kept;
use dataflow::register::Register;
use dataflow::time::format_rfc3339;
use dataflow::view::Snapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::background;
use crate::checkpoint::{Counts, Damaged, Place, Run};
use crate::format::FormatIdentity;
use crate::told::{self, Told};
use part::Keeping;

mod manifest;
mod part;

pub use manifest::counts;

/// How many handed-over rows may wait while the thread writes others, about 80 bytes each; beyond
/// them the workers hold theirs, and read no more.
const ROWS_GIVEN_MAX: usize = 2 << 20;

/// What reaches a keeper.
pub(super) enum Given {
    /// Rows of one worker, in the order of ticks.
    Events {
        worker: usize,
        directory: Arc<Directory>,
        events: Vec<Kept>,
    },
    /// A worker has handed over everything up to a checkpoint.
    Cut {
        worker: usize,
        number: u64,
        positions: Vec<Position>,
    },
    /// The views as of a checkpoint.
    Totals {
        number: u64,
        snapshot: Arc<Snapshot>,
    },
    /// A register that comes in force.
    Register(Arc<Register>),
    /// What another process's keeper says.
    Word(String),
    /// The end.
    End,
}

/// What keepers of different processes say to each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Word {
    /// A process's part of a checkpoint is durable.
    Part(Part),
    /// A checkpoint is committed.
    Committed(Committed),
}

/// One process's part of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    number: u64,
    process: usize,
    partitions: Vec<crate::checkpoint::Partition>,
    runs: Vec<Run>,
}

/// A checkpoint that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Committed {
    /// Its number.
    pub number: u64,
    /// Its tick.
    pub tick: u64,
    /// When it was written.
    pub written_at: String,
    /// Events in its files; several versions of one count as many.
    pub rows: u64,
    /// The size of its files.
    pub bytes: u64,
    /// How many files.
    pub files: usize,
}

/// Checkpoints, for `/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckpointStatus {
    /// The newest; null before the first.
    pub newest: Option<Committed>,
    /// Why none can be made, or why one was found damaged at the start; null while all is well.
    #[serde(serialize_with = "told::public")]
    #[schema(value_type = Option<String>)]
    pub error: Option<Told>,
    /// Whether none is made any more until a restart.
    pub is_off: bool,
    /// Why results stand still, or will within seconds, since no further tick can be made safe
    /// where checkpoints are; null while it can. At process 0.
    #[serde(serialize_with = "told::public")]
    #[schema(value_type = Option<String>)]
    pub tick_error: Option<Told>,
}

/// What a keeper works with.
pub(super) struct Settings {
    pub(super) place: Place,
    pub(super) process: usize,
    pub(super) processes: usize,
    pub(super) workers: usize,
    pub(super) topic: String,
    pub(super) topic_id: String,
    pub(super) key_fingerprint: String,
    pub(super) lateness_ms: i64,
    pub(super) format: FormatIdentity,
    pub(super) next_number: u64,
    pub(super) runs: Vec<Run>,
    pub(super) damaged: Vec<Damaged>,
    pub(super) register: Arc<Register>,
    /// Whether there is no checkpoint to go on from.
    pub(super) is_first: bool,
}

/// A cheap handle to a keeper.
#[derive(Clone)]
pub struct Keeper {
    given: Sender<Given>,
    words: Receiver<String>,
    state: Arc<State>,
}

/// What the keeper and its handles share.
pub(super) struct State {
    /// The highest number that is committed.
    settled: AtomicU64,
    is_off: AtomicBool,
    wanted: AtomicBool,
    /// Rows that are handed over and not taken.
    rows_given: AtomicUsize,
    status: Mutex<CheckpointStatus>,
}

impl State {
    fn update(&self, change: impl FnOnce(&mut CheckpointStatus)) {
        // A status is whole whoever panicked while holding it.
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Keeper {
    /// Starts the thread. `wake` is called when it has something to say.
    pub(super) fn start(
        settings: Settings,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<(Keeper, JoinHandle<()>)> {
        let (given, receiver) = unbounded();
        let (say, words) = unbounded();
        let damaged: Vec<String> = settings.damaged.iter().map(Damaged::to_string).collect();
        let status = CheckpointStatus {
            error: (!damaged.is_empty()).then(|| {
                let public =
                    "an older checkpoint was used at the start, since a newer one is damaged";
                let damaged = damaged.join("; ");
                let place = settings.place.text();
                Told::new(public, format!("{public}, in {place}: {damaged}"))
            }),
            ..CheckpointStatus::default()
        };
        let state = Arc::new(State {
            settled: AtomicU64::new(settings.next_number - 1),
            is_off: AtomicBool::new(false),
            // The first register is kept at once, so that a restart knows what was in force.
            wanted: AtomicBool::new(settings.is_first),
            rows_given: AtomicUsize::new(0),
            status: Mutex::new(status),
        });
        let theirs = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("checkpoint".to_string())
            .spawn(move || {
                background::let_others_go_first();
                Keeping::new(settings, theirs, say, wake).run(&receiver);
            })?;
        let keeper = Keeper {
            given,
            words,
            state,
        };
        Ok((keeper, thread))
    }

    /// Hands over, or gives back rows that there is no room for now.
    pub(super) fn try_give(&self, given: Given) -> Result<(), Given> {
        if let Given::Events { events, .. } = &given {
            let waiting = self.state.rows_given.load(Ordering::Acquire);
            if waiting > 0 && waiting + events.len() > ROWS_GIVEN_MAX {
                return Err(given);
            }
            let rows = events.len();
            self.state.rows_given.fetch_add(rows, Ordering::AcqRel);
        }
        self.give(given);
        Ok(())
    }

    /// Hands over what is small. Never waits.
    pub(super) fn give(&self, given: Given) {
        // After its end nothing is kept any more.
        let _ = self.given.send(given);
    }

    /// Puts a register in force, and asks for a checkpoint that holds it.
    pub(super) fn adopt(&self, register: Arc<Register>) {
        self.give(Given::Register(register));
        self.state.wanted.store(true, Ordering::Release);
    }

    /// Passes on what another process's keeper says.
    pub(super) fn hear(&self, word: String) {
        self.give(Given::Word(word));
    }

    /// What is to be said to others.
    pub(super) fn words(&self) -> Vec<String> {
        self.words.try_iter().collect()
    }

    /// The highest number that is committed.
    pub(super) fn settled(&self) -> u64 {
        self.state.settled.load(Ordering::Acquire)
    }

    /// Whether a checkpoint is wanted without waiting for its time; asked once.
    pub(super) fn is_wanted_now(&self) -> bool {
        self.state.wanted.load(Ordering::Acquire)
    }

    /// Notes that the one that was wanted is begun.
    pub(super) fn is_begun(&self) {
        self.state.wanted.store(false, Ordering::Release);
    }

    /// Whether no checkpoint is made any more until a restart.
    pub(super) fn is_off(&self) -> bool {
        self.state.is_off.load(Ordering::Acquire)
    }

    /// Says in `/status` why no further tick can be closed, or that it can.
    pub(super) fn tell_tick_error(&self, error: Option<Told>) {
        self.state.update(|status| status.tick_error = error);
    }

    /// For `/status`.
    pub fn status(&self) -> CheckpointStatus {
        let status = self.state.status.lock();
        // A status is whole whoever panicked while holding it.
        status.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the thread once it has written what is whole.
    pub(super) fn end(&self) {
        self.give(Given::End);
    }
}

fn written_at() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format_rfc3339(now.map_or(0, |since| since.as_millis() as i64))
}

/// Whether two sets of counts say the same of what follows from events.
pub(super) fn agree(kept: &Counts, found: &Counts) -> bool {
    let of_events = |counts: &Counts| Counts {
        messages: 0,
        duplicates: 0,
        refused: BTreeMap::new(),
        ..counts.clone()
    };
    of_events(kept) == of_events(found)
}
