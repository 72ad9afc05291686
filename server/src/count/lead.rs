//! What worker 0 decides for all: when ticks close, when a checkpoint is made, when all end.

use std::time::{Duration, Instant};

use dataflow::engine::{Engine, Mark};

use super::Shared;
use super::ticker::Ticker;

/// How long the last checkpoint may take; the end waits no longer.
const LAST_CHECKPOINT_MAX: Duration = Duration::from_secs(8);

/// How often it is looked whether the last checkpoint is there.
const LAST_LOOK: Duration = Duration::from_millis(5);

/// How often a checkpoint is made, at the most, while a start catches up: nothing is published yet,
/// so that a crash costs time only, and writing takes that from the reading.
const CATCHING_UP_EVERY: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Lead {
    ticker: Ticker,
    every: Duration,
    /// The number of the next checkpoint.
    next: u64,
    begun_at: Instant,
    /// Whether a tick has closed since the last checkpoint began.
    changed: bool,
    /// Until when the last checkpoint is waited for.
    end_by: Option<Instant>,
    last_begun: bool,
    ended: bool,
}

impl Lead {
    pub(super) fn new(ticker: Ticker, shared: &Shared) -> Lead {
        Lead {
            ticker,
            every: shared.checkpoint_every,
            next: shared.next_checkpoint,
            begun_at: Instant::now(),
            changed: false,
            end_by: None,
            last_begun: false,
            ended: false,
        }
    }

    /// A start after this one goes on right above the last tick.
    pub(super) fn end(self) {
        self.ticker.end();
    }

    /// Announces what is due. Says how long there is nothing to do, or `None` if there is.
    pub(super) fn tick(
        &mut self,
        engine: &mut Engine,
        behind: bool,
        shared: &Shared,
    ) -> Option<Duration> {
        if engine.end_asked() {
            return self.tick_at_the_end(engine, shared);
        }
        let due = self.checkpoint_wait(shared);
        let wanted = engine.wants_tick() || engine.all_restored() || due == Some(Duration::ZERO);
        if !wanted || !engine.is_quiet() {
            return Some(due.unwrap_or(Duration::MAX));
        }
        // What is taken again is published to nobody, so its ticks need no time between them.
        let wait = self.ticker.wait(behind);
        if !wait.is_zero() && !engine.is_restoring() {
            return Some(wait);
        }
        let mark = if engine.all_restored() {
            Mark::Restored
        } else if due == Some(Duration::ZERO) && !engine.is_restoring() {
            Mark::Checkpoint(self.next)
        } else {
            Mark::None
        };
        if self.announce(engine, mark, shared) {
            None
        } else {
            Some(self.ticker.wait(behind))
        }
    }

    fn announce(&mut self, engine: &mut Engine, mark: Mark, shared: &Shared) -> bool {
        let Some(tick) = self.ticker.next() else {
            return false;
        };
        match mark {
            Mark::None => self.changed |= !engine.is_restoring(),
            Mark::Restored => {}
            Mark::Checkpoint(_) => {
                self.next += 1;
                shared.keeper.is_begun();
                self.begun_at = Instant::now();
                self.changed = false;
            }
        }
        engine.announce(tick, mark);
        true
    }

    /// How long until a checkpoint is due; `None` where nothing is to be kept, or one is on its
    /// way.
    fn checkpoint_wait(&self, shared: &Shared) -> Option<Duration> {
        let keeper = &shared.keeper;
        let is_settled = keeper.settled() + 1 >= self.next;
        if !self.changed || !is_settled || keeper.is_off() {
            return None;
        }
        if keeper.is_wanted_now() {
            return Some(Duration::ZERO);
        }
        let every = if shared.publisher.is_ready() {
            self.every
        } else {
            self.every.max(CATCHING_UP_EVERY)
        };
        Some(every.saturating_sub(self.begun_at.elapsed()))
    }

    /// Makes the last checkpoint and then ends all workers.
    fn tick_at_the_end(&mut self, engine: &mut Engine, shared: &Shared) -> Option<Duration> {
        if self.ended {
            return Some(LAST_LOOK);
        }
        let end_by = *self
            .end_by
            .get_or_insert_with(|| Instant::now() + LAST_CHECKPOINT_MAX);
        let keeps = !shared.keeper.is_off() && !engine.is_restoring();
        let is_settled = shared.keeper.settled() + 1 >= self.next;
        // One is the last, however many votes keep coming.
        let has_more = !self.last_begun && (self.changed || engine.wants_tick());
        if keeps && Instant::now() < end_by && (!is_settled || has_more) {
            if is_settled && engine.is_quiet() && self.ticker.wait(false).is_zero() {
                self.last_begun = self.announce(engine, Mark::Checkpoint(self.next), shared);
                return Some(LAST_LOOK);
            }
            return Some(LAST_LOOK);
        }
        if keeps && !is_settled {
            tracing::warn!(
                "the last checkpoint is not finished; the next start reads more of the log"
            );
        }
        self.ended = true;
        engine.announce_end();
        None
    }
}
