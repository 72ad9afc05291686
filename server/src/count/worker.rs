//! One worker's loop: read, hand over, tick, step, publish.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dataflow::engine::Engine;
use dataflow::view::{Snapshot, ViewSettings};
use timely::worker::Worker;

use super::ticker::Ticker;
use super::{CountError, Shared};
use crate::publish::{PartitionProgress, Progress};
use crate::source::{Extent, Found, LogError, Reader};

/// Records of one read; between two the dataflow is stepped.
const RECORDS_READ: usize = 8_192;

/// Records that a worker takes into one tick at most; with them it waits for the tick to close,
/// so that what is on its way is bounded whatever the backlog.
const RECORDS_IN_TICK_MAX: i64 = 1 << 17;

/// How long an idle worker sleeps when nothing wakes it.
const PARK: Duration = Duration::from_secs(1);

/// How often a worker that catches up says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// How long a failed read waits before it is tried again, growing to the second of them.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// See the module.
pub(super) struct Counter<'a> {
    engine: Engine,
    shared: &'a Shared,
    reader: Box<dyn Reader>,
    /// At worker 0.
    ticker: Option<Ticker>,
    view: Option<View>,
    more: bool,
    retry: Option<Duration>,
}

/// What the publishing worker of a process keeps.
struct View {
    snapshot: Arc<Snapshot>,
    ready: bool,
    said_at: Instant,
    started_at: Instant,
}

impl<'a> Counter<'a> {
    pub(super) fn new(
        worker: &Worker,
        mut engine: Engine,
        shared: &'a Shared,
        settings: &ViewSettings,
        ticker: Option<Ticker>,
    ) -> Result<Counter<'a>, CountError> {
        let (index, peers) = (worker.index(), worker.peers());
        let mine = |extent: &&Extent| extent.partition as usize % peers == index;
        let mut from = Vec::new();
        for extent in shared.extents.iter().filter(mine) {
            engine.begin(extent.partition, extent.first_offset);
            from.push((extent.partition, extent.first_offset));
        }
        let thread = thread::current();
        let reader = shared
            .log
            .reader(&from, Box::new(move || thread.unpark()))?;
        let now = Instant::now();
        let view = ticker.is_some().then(|| View {
            snapshot: Arc::new(Snapshot::empty(settings.clone())),
            ready: false,
            said_at: now,
            started_at: now,
        });
        Ok(Counter {
            engine,
            shared,
            reader,
            ticker,
            view,
            more: true,
            retry: None,
        })
    }

    /// Runs until the end is asked for or a failure that cannot be waited out.
    pub(super) fn run(mut self) -> Result<(), CountError> {
        while !self.shared.reach.stopping() {
            self.adopt();
            self.read()?;
            let park = self.tick()?;
            for closed in self.engine.step(park) {
                let Some(view) = &mut self.view else {
                    continue;
                };
                let publication = view.snapshot.apply(closed);
                view.snapshot = Arc::clone(&publication.snapshot);
                view.ready = view.ready || view.has_reached(&self.shared.extents);
                if view.ready {
                    self.shared.publisher.publish(publication);
                    if !self.shared.publisher.is_ready() {
                        view.say_ready();
                        self.shared.publisher.set_ready();
                    }
                }
            }
            self.say_progress();
        }
        if let Some(ticker) = self.ticker {
            ticker.end();
        }
        Ok(())
    }

    /// Puts registers in force, at worker 0.
    fn adopt(&mut self) {
        if self.ticker.is_some() {
            for register in self.shared.receiver.try_iter() {
                self.engine.adopt(&register);
            }
        }
    }

    fn read(&mut self) -> Result<(), CountError> {
        self.more = false;
        if !self.engine.has_register() || self.engine.messages_in_tick() >= RECORDS_IN_TICK_MAX {
            return Ok(());
        }
        let engine = &mut self.engine;
        let read = self.reader.poll(RECORDS_READ, &mut |partition, found| {
            if let Found::Record(record) = found {
                // A refused record is counted by the engine. The embedded log keeps the record
                // itself, so there is no other place to bring it to.
                let bytes = record.bytes.unwrap_or_default();
                let _ = engine.take(partition, record.offset, record.log_time_ms, bytes);
            }
        });
        match read {
            Ok(records) => {
                self.more = records > 0;
                self.retry = None;
                Ok(())
            }
            Err(error) if error.is_transient() => {
                self.wait_and_retry(&error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn wait_and_retry(&mut self, error: &LogError) {
        let wait = self.retry.map_or(RETRY.0, |last| (last * 2).min(RETRY.1));
        tracing::warn!(%error, wait_ms = wait.as_millis(), "reading the log is tried again");
        self.retry = Some(wait);
    }

    /// Announces a tick if one is due, at worker 0. Says how long there is nothing to do, or
    /// `None` if there is.
    fn tick(&mut self) -> Result<Option<Duration>, CountError> {
        let behind = self.more;
        let mut park = if behind { None } else { Some(PARK) };
        if let Some(wait) = self.retry {
            park = Some(wait);
        }
        let Some(ticker) = &mut self.ticker else {
            return Ok(park);
        };
        if self.engine.wants_tick() && self.engine.is_quiet() {
            let wait = ticker.wait(behind);
            if wait.is_zero()
                && let Some(tick) = ticker.next()?
            {
                self.engine.announce(tick, dataflow::engine::Mark::None);
                return Ok(None);
            }
            let wait = ticker.wait(behind);
            park = park.map(|park| park.min(wait));
        }
        Ok(park)
    }

    fn say_progress(&mut self) {
        let Some(view) = self.view.as_mut().filter(|view| !view.ready) else {
            return;
        };
        if view.said_at.elapsed() < PROGRESS_EVERY {
            return;
        }
        view.said_at = Instant::now();
        let next: BTreeMap<u32, i64> = view.snapshot.next_offsets().collect();
        let partitions = self.shared.extents.iter().map(|extent| PartitionProgress {
            topic: self.shared.log.topic().to_string(),
            partition: extent.partition,
            first_offset: extent.first_offset,
            next_offset: next
                .get(&extent.partition)
                .copied()
                .unwrap_or(extent.first_offset),
            end_offset: extent.next_offset,
        });
        let progress = Progress::new(partitions.collect());
        let seconds = view.started_at.elapsed().as_secs_f64();
        tracing::info!(
            share = progress.share,
            votes_per_second = (view.snapshot.messages() as f64 / seconds) as u64,
            "catching up"
        );
        self.shared.publisher.set_progress(progress);
    }
}

impl View {
    /// Whether every partition is counted to the end that it had at the start.
    fn has_reached(&self, extents: &[Extent]) -> bool {
        let next: BTreeMap<u32, i64> = self.snapshot.next_offsets().collect();
        extents.iter().all(|extent| {
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
}
