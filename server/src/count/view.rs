//! The snapshot that one process publishes, at its first worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::engine::{ClosedTick, Mark};
use dataflow::view::{Snapshot, ViewSettings};

use super::keeper::{self, Given};
use super::{CountError, Shared};
use crate::publish::{PartitionProgress, Progress};
use crate::told::Told;

/// How often a worker that catches up says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct View {
    snapshot: Arc<Snapshot>,
    beginning: Beginning,
    ready: bool,
    said_at: Instant,
    /// Messages when that was said, and how many a second there were lately.
    said_messages: u64,
    messages_per_second: Option<f64>,
    started_at: Instant,
}

/// What a start from a checkpoint waits for before anything is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beginning {
    /// Until all of the checkpoint is taken again; before, what is counted is in part.
    restores: bool,
    /// Until the register of this start has taken the place of the checkpoint's.
    awaits_register: bool,
}

impl Beginning {
    /// Whether there is a checkpoint, and whether another register takes the place of its own.
    fn new(restores: bool, awaits_register: bool) -> Beginning {
        Beginning {
            restores,
            awaits_register,
        }
    }

    /// Notes a tick that has closed.
    fn note(&mut self, mark: Mark, brings_register: bool) {
        // The first one is the checkpoint's, under which it is taken again.
        if brings_register && !self.restores {
            self.awaits_register = false;
        }
        if mark == Mark::Restored {
            self.restores = false;
        }
    }

    fn is_over(self) -> bool {
        !self.restores && !self.awaits_register
    }
}

impl View {
    pub(super) fn new(settings: ViewSettings, shared: &Shared) -> View {
        let now = Instant::now();
        View {
            snapshot: Arc::new(Snapshot::empty(settings)),
            beginning: Beginning::new(shared.before.is_some(), shared.replaces_register()),
            ready: false,
            said_at: now,
            said_messages: 0,
            messages_per_second: None,
            started_at: now,
        }
    }

    /// Adds what a tick has changed, and publishes it once everything is counted that was there
    /// at the start.
    pub(super) fn apply(&mut self, closed: ClosedTick, shared: &Shared) -> Result<(), CountError> {
        let mark = closed.mark;
        // A tick that only marks a checkpoint tells nobody anything.
        let is_empty = closed.closed.rows.is_empty() && closed.closed.directory.is_none();
        let is_silent = is_empty && matches!(mark, Mark::Checkpoint(_));
        self.beginning.note(mark, closed.closed.directory.is_some());
        let publication = self.snapshot.apply(closed);
        self.snapshot = Arc::clone(&publication.snapshot);
        match mark {
            Mark::None => {}
            Mark::Restored => {
                self.check_restored(shared)?;
                // What a checkpoint brings at once is no measure of what follows.
                (self.said_at, self.said_messages) = (Instant::now(), self.snapshot.messages());
            }
            Mark::Checkpoint(number) => shared.keeper.give(Given::Totals {
                number,
                snapshot: Arc::clone(&self.snapshot),
            }),
        }
        self.ready = self.ready || (self.beginning.is_over() && self.has_reached(shared));
        if self.ready && !is_silent {
            shared.publisher.publish(publication);
            if !shared.publisher.is_ready() {
                self.say_ready();
                shared.publisher.set_ready();
            }
        }
        Ok(())
    }

    /// Whether what was taken again gives the counts with which it was kept.
    fn check_restored(&self, shared: &Shared) -> Result<(), CountError> {
        let Some(before) = &shared.before else {
            return Ok(());
        };
        let seconds = self.started_at.elapsed().as_secs_f64();
        let (kept, found) = (before.counts(), keeper::counts(&self.snapshot));
        if !keeper::agree(kept, &found) && !cfg!(feature = "broken-checkpoint") {
            return Err(CountError::Restored {
                number: before.number(),
                kept: format!("{kept:?}"),
                found: format!("{found:?}"),
            });
        }
        tracing::info!(
            checkpoint = before.number(),
            ballots = found.accepted,
            seconds,
            "the checkpoint is loaded"
        );
        Ok(())
    }

    /// Whether every partition is counted to the end that it had at the start.
    fn has_reached(&self, shared: &Shared) -> bool {
        let next: BTreeMap<u32, i64> = self.snapshot.next_offsets().collect();
        shared.extents.iter().all(|extent| {
            let counted = next.get(&extent.partition);
            counted.is_some_and(|counted| *counted >= extent.next_offset)
        })
    }

    fn say_ready(&self) {
        tracing::info!(
            messages = self.snapshot.messages(),
            seconds = self.started_at.elapsed().as_secs_f64(),
            "caught up; results are published"
        );
    }

    /// Says how far the start has come, now and then.
    pub(super) fn say_progress(&mut self, shared: &Shared) {
        if self.ready || self.said_at.elapsed() < PROGRESS_EVERY {
            return;
        }
        let seconds = self.said_at.elapsed().as_secs_f64();
        self.said_at = Instant::now();
        if let Some(before) = shared.before.as_ref().filter(|_| self.beginning.restores) {
            let (loaded, all) = (
                self.snapshot.totals().counts.accepted,
                before.counts().accepted,
            );
            let what = format!(
                "loading checkpoint {}: {loaded} of {all} ballots",
                before.number()
            );
            tracing::info!("{what}");
            shared.publisher.set_waiting(Some(Told::same(what)));
            return;
        }
        let next: BTreeMap<u32, i64> = self.snapshot.next_offsets().collect();
        let first: BTreeMap<u32, i64> = self.snapshot.first_offsets().collect();
        let partitions = shared.extents.iter().map(|extent| PartitionProgress {
            topic: shared.log.topic().to_string(),
            partition: extent.partition,
            first_offset: first
                .get(&extent.partition)
                .copied()
                .unwrap_or(extent.first_offset),
            next_offset: next
                .get(&extent.partition)
                .copied()
                .unwrap_or(extent.first_offset),
            end_offset: extent.next_offset,
        });
        let messages = self.snapshot.messages();
        let rate = messages.saturating_sub(self.said_messages) as f64 / seconds;
        self.said_messages = messages;
        // Half of what was before, so that a pause of the log does not look like the end of it.
        let rate = self
            .messages_per_second
            .map_or(rate, |last| (last + rate) / 2.0);
        self.messages_per_second = Some(rate);
        let progress = Progress::new(partitions.collect(), Some(rate));
        tracing::info!(
            share = progress.share,
            messages_per_second = rate as u64,
            seconds_left = progress.seconds_left.map(f64::round),
            "catching up"
        );
        shared.publisher.set_progress(progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of these ticks the beginning is over; each may bring a register.
    fn over_after(kept: Option<&str>, begins_with: &str, ticks: &[(Mark, bool)]) -> Option<usize> {
        let replaces = kept.is_some_and(|kept| kept != begins_with);
        let mut beginning = Beginning::new(kept.is_some(), replaces);
        let mut after = beginning.is_over().then_some(0);
        for (number, (mark, brings_register)) in (1..).zip(ticks) {
            beginning.note(*mark, *brings_register);
            after = after.or(beginning.is_over().then_some(number));
        }
        after
    }

    #[test]
    fn nothing_is_published_under_the_register_before_this_start() {
        let ticks = [
            (Mark::None, true),
            (Mark::None, false),
            (Mark::Restored, false),
            (Mark::Checkpoint(2), false),
            (Mark::None, true),
        ];
        assert_eq!(over_after(None, "a", &ticks), Some(0));
        assert_eq!(over_after(Some("a"), "a", &ticks), Some(3));
        assert_eq!(over_after(Some("a"), "b", &ticks), Some(5));
        assert_eq!(over_after(Some("a"), "b", &ticks[..4]), None);
    }
}
