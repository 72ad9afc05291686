//! The snapshot that one process publishes, at its first worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::engine::{ClosedTick, Mark};
use dataflow::view::{Snapshot, ViewSettings};

use super::keeper::{self, Given};
use super::{CountError, Shared};
use crate::publish::{PartitionProgress, Progress};

/// How often a worker that catches up says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct View {
    snapshot: Arc<Snapshot>,
    /// Until all of the checkpoint is taken again; before, what is counted is in part.
    restores: bool,
    /// Until the register of this start has taken the place of the checkpoint's.
    awaits_register: bool,
    ready: bool,
    said_at: Instant,
    started_at: Instant,
}

impl View {
    pub(super) fn new(settings: ViewSettings, shared: &Shared) -> View {
        let now = Instant::now();
        let before = shared.before.as_ref();
        View {
            snapshot: Arc::new(Snapshot::empty(settings)),
            restores: before.is_some(),
            // Process 0 knows it; the others learn it with the tick that brings it.
            awaits_register: shared.process == 0
                && before.is_some_and(|before| *before.register != *shared.register),
            ready: false,
            said_at: now,
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
        if !self.restores && closed.closed.directory.is_some() {
            self.awaits_register = false;
        }
        let publication = self.snapshot.apply(closed);
        self.snapshot = Arc::clone(&publication.snapshot);
        match mark {
            Mark::None => {}
            Mark::Restored => {
                self.check_restored(shared)?;
                self.restores = false;
            }
            Mark::Checkpoint(number) => shared.keeper.give(Given::Totals {
                number,
                snapshot: Arc::clone(&self.snapshot),
            }),
        }
        let waits = self.restores || self.awaits_register;
        self.ready = self.ready || (!waits && self.has_reached(shared));
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
        self.said_at = Instant::now();
        if let Some(before) = shared.before.as_ref().filter(|_| self.restores) {
            let (loaded, all) = (
                self.snapshot.totals().counts.accepted,
                before.counts().accepted,
            );
            let what = format!(
                "loading checkpoint {}: {loaded} of {all} ballots",
                before.number()
            );
            tracing::info!("{what}");
            shared.publisher.set_waiting(Some(what));
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
        let progress = Progress::new(partitions.collect());
        let seconds = self.started_at.elapsed().as_secs_f64();
        tracing::info!(
            share = progress.share,
            votes_per_second = (self.snapshot.messages() as f64 / seconds) as u64,
            "catching up"
        );
        shared.publisher.set_progress(progress);
    }
}
