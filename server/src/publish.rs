//! Publishing: the engine's ticks come in on its thread, every reader's answers go out.
//!
//! One [`Publisher`] stands between the engine and everything that serves. It holds the newest
//! tick as one value that is swapped whole, so that a request sees one tick and never waits for
//! the engine; and the [`History`] of what changed, so that a stream that fell behind is brought
//! up to date by one merged change. It never counts, never encodes on the engine's thread, and
//! never drops a tick silently: who asks from before the history is told so.
//!
//! With `--disclose-min` there are two: this one, which everything public is made from, and one
//! for the operator's tables ([`Publisher::full`]).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use dataflow::view::{ContestChange, Publication, Snapshot, ViewSettings};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::told::Told;
use crate::warnings::Warnings;

mod budget;
mod disclose;
mod encoded;
mod history;
mod once;
mod progress;
mod tick;

pub use budget::{Budget, Full};
use disclose::{DisclosureError, PublicSide};
pub use disclose::{is_memory, memory_of};
pub use encoded::{Checksum, Encoded, GZIP_HEAD};
use history::History;
pub use history::{Since, merge};
pub use progress::{PartitionProgress, Progress};
pub(crate) use tick::json;
pub use tick::{Delta, Part, Question, Tick, Unanswered};

/// Changes are kept for at least so long: a phone that was in a tunnel resumes without a reset.
pub const CHANGES_KEPT: Duration = Duration::from_secs(75);

/// The most bytes that kept changes take, over all contests; beyond it the oldest go first.
pub const CHANGES_BYTES_MAX: usize = 64 << 20;

/// A handle on what is published; clones share it.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    current: ArcSwapOption<Tick>,
    history: Mutex<History<ContestChange>>,
    ticks: watch::Sender<u64>,
    ready: AtomicBool,
    progress: ArcSwap<Progress>,
    /// Where the public is not shown everything.
    public: Option<Public>,
    budget: Budget,
}

struct Public {
    full: Publisher,
    side: Mutex<PublicSide>,
}

impl Default for Publisher {
    fn default() -> Publisher {
        Publisher::new(CHANGES_KEPT, CHANGES_BYTES_MAX)
    }
}

impl Publisher {
    /// A publisher that keeps changes for at least `keep`, unless they exceed `bytes_max`.
    pub fn new(keep: Duration, bytes_max: usize) -> Publisher {
        Publisher::build(keep, bytes_max, None)
    }

    /// A publisher for a run: from two ballots on, one that publishes the public side of what it is
    /// given, and remembers in the file what it has shown, unless the run begins anew.
    pub fn open(
        (disclose_min, view): (u64, ViewSettings),
        file: &Path,
        begins_anew: bool,
        warnings: &Warnings,
    ) -> Result<Publisher, DisclosureError> {
        if disclose_min < 2 {
            return Ok(Publisher::default());
        }
        let side = PublicSide::open(disclose_min, view, file, begins_anew, warnings)?;
        Ok(Publisher::disclosing(side))
    }

    /// One that publishes the public side of what it is given.
    fn disclosing(side: PublicSide) -> Publisher {
        let public = Public {
            full: Publisher::default(),
            side: Mutex::new(side),
        };
        Publisher::build(CHANGES_KEPT, CHANGES_BYTES_MAX, Some(public))
    }

    /// What is published with nothing left out: for those who may see everything.
    pub fn full(&self) -> Publisher {
        let public = self.shared.public.as_ref();
        public.map_or_else(|| self.clone(), |public| public.full.clone())
    }

    fn build(keep: Duration, bytes_max: usize, public: Option<Public>) -> Publisher {
        Publisher {
            shared: Arc::new(Shared {
                current: ArcSwapOption::empty(),
                history: Mutex::new(History::new(keep, bytes_max)),
                ticks: watch::Sender::new(0),
                ready: AtomicBool::new(false),
                progress: ArcSwap::default(),
                public,
                budget: Budget::default(),
            }),
        }
    }

    /// Makes a tick the current one. Called from the engine's thread; takes microseconds, and with
    /// a public side a write to disk where that shows something anew.
    ///
    /// # Panics
    ///
    /// If the tick or an offset is behind what was published before: ticks never go back, and
    /// nobody must see it if the engine has a bug.
    pub fn publish(&self, publication: Publication) {
        let Some(public) = &self.shared.public else {
            return self.put(publication);
        };
        let mut side = public.side.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = side.of(&publication);
        public.full.put(publication);
        self.put(shown);
    }

    fn put(&self, publication: Publication) {
        let started_at = Instant::now();
        let Publication { snapshot, changes } = publication;
        if let Some(before) = self.shared.current.load_full() {
            check_forward(before.snapshot(), &snapshot);
        }
        let tick = Tick::new(snapshot, self.shared.budget.clone());
        // The history first: whoever sees the tick finds the changes that lead to it.
        if self.shared.ready.load(Ordering::Acquire) {
            self.history().push(tick.number(), started_at, changes);
        } else {
            self.history().restart(tick.number());
        }
        let number = tick.number();
        let before = self.shared.current.swap(Some(Arc::new(tick)));
        self.shared.ticks.send_replace(number);
        // A quiet contest's stream may stand at a tick for hours, and needs none of its answers.
        before.iter().for_each(|tick| tick.end());
        metrics::histogram!("tallyflow_publish_seconds").record(started_at.elapsed().as_secs_f64());
    }

    /// The current tick once results may be served: caught up since the start, and published.
    pub fn current(&self) -> Option<Arc<Tick>> {
        self.is_ready().then(|| self.latest()).flatten()
    }

    /// The newest tick, also while catching up: for `/status` and metrics only.
    pub fn latest(&self) -> Option<Arc<Tick>> {
        self.shared.current.load_full()
    }

    /// Told at every published tick.
    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.shared.ticks.subscribe()
    }

    /// What changed in a contest after the tick `from`, up to and with the tick `to`.
    pub fn since(&self, contest: &str, from: u64, to: u64) -> Since<ContestChange> {
        self.history().since(contest, from, to)
    }

    /// Whether anything of a contest changed after the tick `from`.
    pub fn changed_after(&self, contest: &str, from: u64) -> bool {
        self.history().changed_after(contest, from)
    }

    /// Whether every partition has reached its end as of the start, and a tick is published.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) && self.shared.current.load().is_some()
    }

    /// Lets results be served from now on.
    pub fn set_ready(&self) {
        if let Some(public) = &self.shared.public {
            public.full.set_ready();
        }
        self.shared.ready.store(true, Ordering::Release);
    }

    /// The memory of what is encoded.
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// How far the start has come.
    pub fn progress(&self) -> Arc<Progress> {
        self.shared.progress.load_full()
    }

    /// Says how far the start has come.
    pub fn set_progress(&self, progress: Progress) {
        self.shared.progress.store(Arc::new(progress));
    }

    /// Says what the start waits for, before there is anything to count.
    pub fn set_waiting(&self, what: Option<Told>) {
        self.set_progress(Progress {
            waiting_for: what,
            ..Progress::default()
        });
    }

    fn history(&self) -> MutexGuard<'_, History<ContestChange>> {
        // A panic in merging leaves the history whole: it only ever adds or drops entries.
        self.shared
            .history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_forward(before: &Snapshot, after: &Snapshot) {
    let (published, tick) = (before.tick(), after.tick());
    assert!(
        tick > published,
        "tick {tick} is not after {published}, which is already published"
    );
    let now: BTreeMap<u32, i64> = after.next_offsets().collect();
    for (partition, then) in before.next_offsets() {
        let now = now.get(&partition);
        assert!(
            now.is_some_and(|now| *now >= then),
            "the offset of partition {partition} goes back from {then} to {now:?} in tick {tick}"
        );
    }
}
