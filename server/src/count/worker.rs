//! One worker's loop: take again, read, hand over, tick, step, publish.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dataflow::engine::{Carried, Engine, Keep, Position};
use dataflow::view::ViewSettings;
use timely::worker::Worker;

use super::keeper::Given;
use super::lead::Lead;
use super::refusals::Refusals;
use super::restore::Restore;
use super::ticker::Ticker;
use super::view::View;
use super::{CountError, Shared};
use crate::cluster::ALIVE_EVERY;
use crate::source::{Extent, Found, LogError, Reader, RefusedMessage};

/// Records of one read; between two the dataflow is stepped.
const RECORDS_READ: usize = 8_192;

/// Records that a worker takes into one tick at most; with them it waits for the tick to close,
/// so that what is on its way is bounded whatever the backlog.
const RECORDS_IN_TICK_MAX: i64 = 1 << 17;

/// Rows for a checkpoint that may wait at a worker, some 100 bytes each; with more it reads no
/// further. Plain ballots, which nearly all are, wait where they lie.
const ROWS_WAITING_MAX: usize = 1 << 20;

/// For how long rows for a checkpoint are handed over between two reads: so that votes do not wait.
const HANDING_OVER_MAX: Duration = Duration::from_millis(1);

/// How long it then rests, unless it is woken: whoever else wants the processor gets it.
const HANDING_OVER_REST: Duration = Duration::from_millis(3);

/// For how long they are handed over, without rest, while nobody waits for votes: the start still
/// catches up, or the end wants its last checkpoint.
const HANDING_OVER_HURRIED: Duration = Duration::from_millis(8);

/// How long an idle worker sleeps when nothing wakes it, at the first worker of each process.
const PARK: Duration = Duration::from_secs(1);

/// The same at all others, which are woken for all that they must do: with 256 of them even a
/// wakeup a second would be a percent of a core.
const PARK_OTHERS: Duration = Duration::from_secs(4);

/// How long it sleeps when it waits for another thread that does not wake it.
const PARK_SHORT: Duration = Duration::from_millis(2);

/// How long it sleeps while it waits to read: for the log, or for others that take a checkpoint
/// again.
const PARK_OPENING: Duration = Duration::from_millis(20);

/// How often a worker looks for partitions that have come up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a failed read waits before it is tried again, growing to the second of them.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// See the module.
pub(super) struct Counter<'a> {
    engine: Engine,
    shared: &'a Shared,
    index: usize,
    peers: usize,
    /// Until everything is taken again.
    restore: Option<Restore>,
    /// Once it is.
    reader: Option<Box<dyn Reader>>,
    refusals: Refusals,
    partitions: BTreeSet<u32>,
    /// What the keeper had no room for yet.
    unsent: Option<Given>,
    /// At worker 0.
    lead: Option<Lead>,
    /// At the first worker of each process.
    view: Option<View>,
    more: bool,
    retry: Option<Duration>,
    looked_at: Instant,
    opened_at: Option<Instant>,
    alive_at: Instant,
    end_told: bool,
}

impl<'a> Counter<'a> {
    pub(super) fn new(
        worker: &Worker,
        engine: Engine,
        shared: &'a Shared,
        settings: &ViewSettings,
        ticker: Option<Ticker>,
    ) -> Result<Counter<'a>, CountError> {
        let (index, peers) = (worker.index(), worker.peers());
        let is_first = index.is_multiple_of(shared.workers);
        let mut counter = Counter {
            engine,
            shared,
            index,
            peers,
            restore: None,
            reader: None,
            refusals: Refusals::new(None),
            partitions: BTreeSet::new(),
            unsent: None,
            lead: ticker.map(|ticker| Lead::new(ticker, shared)),
            view: is_first.then(|| View::new(settings.clone(), shared)),
            more: true,
            retry: None,
            looked_at: Instant::now(),
            opened_at: None,
            alive_at: Instant::now(),
            end_told: false,
        };
        if let Some(before) = &shared.before {
            let is_mine = |at: &Position| at.partition as usize % peers == index;
            for position in before.positions().iter().filter(|at| is_mine(at)) {
                counter.engine.resume(position);
                counter.partitions.insert(position.partition);
            }
            counter.restore = Some(Restore::new(before, index, peers));
        }
        if counter.lead.is_some() {
            let first = shared.before.as_ref().map(|before| &before.register);
            let register = first.unwrap_or(&shared.register);
            counter.engine.adopt(register);
        }
        Ok(counter)
    }

    /// Runs until the end is asked for or a failure that cannot be waited out.
    pub(super) fn run(mut self) -> Result<(), CountError> {
        while !self.engine.ends() {
            if self.shared.reach.stopping() && !self.end_told {
                self.end_told = true;
                self.engine.ask_end();
            }
            self.take_again()?;
            self.adopt();
            self.look()?;
            self.read()?;
            self.refusals.hand_over()?;
            let has_more = self.hand_over()?;
            let park = match self.park() {
                Some(_) if has_more && self.hurries() => None,
                Some(idle) if has_more => Some(idle.min(HANDING_OVER_REST)),
                other => other,
            };
            for closed in self.engine.step(park) {
                if let Some(view) = &mut self.view {
                    view.apply(closed, self.shared)?;
                }
            }
            self.pass_words();
            self.say_alive();
            if let Some(view) = &mut self.view {
                view.say_progress(self.shared);
            }
        }
        if let Some(lead) = self.lead {
            lead.end();
        }
        Ok(())
    }

    /// Takes again what a checkpoint keeps, until there is nothing more of it.
    fn take_again(&mut self) -> Result<(), CountError> {
        let full = self.engine.messages_in_tick() >= RECORDS_IN_TICK_MAX;
        if let Some(restore) = &mut self.restore
            && self.engine.has_register()
            && !full
            && restore.step(&mut self.engine)?
        {
            let carried = self.shared.before.as_ref().map(|before| before.carried());
            let carried: Option<Carried> = carried.filter(|_| self.index == 0);
            self.engine.restored(carried.as_ref());
            self.restore = None;
        }
        if self.reader.is_none() && self.restore.is_none() && !self.engine.is_restoring() {
            self.open()?;
        }
        Ok(())
    }

    /// Begins to read this worker's partitions; later, where the log cannot be reached now.
    fn open(&mut self) -> Result<(), CountError> {
        if self.opened_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.opened_at = Some(Instant::now());
        let positions = self.shared.before.as_ref().map(|before| before.positions());
        let positions = positions.unwrap_or_default();
        let mut from = Vec::new();
        for extent in self.mine(&self.shared.extents) {
            let kept = positions.iter().find(|at| at.partition == extent.partition);
            if kept.is_none() {
                self.shared.check_first(&extent)?;
            }
            from.push((extent, kept.map(|position| position.next_offset)));
        }
        let partitions: Vec<u32> = from.iter().map(|(extent, _)| extent.partition).collect();
        let offsets: Vec<(u32, i64)> = from
            .iter()
            .map(|(extent, next)| (extent.partition, next.unwrap_or(extent.first_offset)))
            .collect();
        let thread = thread::current();
        let wake = Box::new(move || thread.unpark());
        let log = &self.shared.log;
        let opened = log
            .refused(&partitions)
            .and_then(|refused| Ok((refused, log.reader(&offsets, wake)?)));
        match opened {
            Ok((refused, reader)) => {
                self.refusals = Refusals::new(refused);
                self.reader = Some(reader);
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "reading begins as soon as the log can be reached");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        for (extent, next) in from {
            self.partitions.insert(extent.partition);
            if next.is_none() {
                self.engine.begin(extent.partition, extent.first_offset);
            }
        }
        if self.index == 0 && self.shared.replaces_register() {
            self.shared.keeper.adopt(Arc::clone(&self.shared.register));
            self.engine.adopt(&self.shared.register);
        }
        Ok(())
    }

    fn mine(&self, extents: &[Extent]) -> Vec<Extent> {
        let is_mine = |extent: &&Extent| extent.partition as usize % self.peers == self.index;
        extents.iter().filter(is_mine).copied().collect()
    }

    /// Puts registers in force, at worker 0.
    fn adopt(&mut self) {
        if self.lead.is_some() && self.reader.is_some() {
            for register in self.shared.receiver.try_iter() {
                self.shared.keeper.adopt(Arc::clone(&register));
                self.engine.adopt(&register);
            }
        }
    }

    /// Looks for partitions that have come up since the start, and says which codes are unknown.
    fn look(&mut self) -> Result<(), CountError> {
        if self.reader.is_none() || self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked_at = Instant::now();
        if let Some(codes) = self.engine.take_unknown() {
            self.shared.unknown.set(self.index, codes);
        }
        for extent in self.mine(&self.shared.log.last_extents()) {
            if self.partitions.contains(&extent.partition) {
                continue;
            }
            self.shared.check_first(&extent)?;
            match self.begin(&extent) {
                Ok(()) => tracing::info!(partition = extent.partition, "a new partition is read"),
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "a new partition is read later");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads a partition that has come up.
    fn begin(&mut self, extent: &Extent) -> Result<(), LogError> {
        self.refusals.add(extent.partition)?;
        if let Some(reader) = &mut self.reader {
            reader.add(extent.partition, extent.first_offset)?;
        }
        self.partitions.insert(extent.partition);
        self.engine.begin(extent.partition, extent.first_offset);
        Ok(())
    }

    fn read(&mut self) -> Result<(), CountError> {
        self.more = false;
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        let full = self.engine.messages_in_tick() >= RECORDS_IN_TICK_MAX;
        let waits = self.refusals.are_waiting() || self.engine.rows_waiting() > ROWS_WAITING_MAX;
        let pauses = self.shared.memory.is_full();
        if full || waits || pauses || !self.engine.has_register() {
            return Ok(());
        }
        let (engine, refusals) = (&mut self.engine, &mut self.refusals);
        let refusal_log = &self.shared.refusal_log;
        let in_seconds = engine.casts_in_seconds();
        let read = reader.poll(RECORDS_READ, &mut |partition, found| match found {
            Found::Record(record) => {
                let body = record.bytes.unwrap_or_default();
                let taken = engine.take(partition, record.offset, record.log_time_ms, body);
                if let Err(refusal) = taken {
                    let message = RefusedMessage {
                        partition,
                        record,
                        reason: refusal.reason.as_str(),
                        detail: &refusal.detail,
                    };
                    refusal_log.say(&message);
                    refusals.note(message);
                }
            }
            Found::End { next_offset } => engine.skip_to(partition, next_offset),
        });
        if engine.casts_in_seconds() > in_seconds {
            self.shared.warnings.raise(
                "times_in_seconds",
                "votes come with times of January or February 1970, as if seconds were sent for \
                 milliseconds: they are counted there; send milliseconds, or RFC 3339",
            );
        }
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

    /// Whether a checkpoint may delay votes, since nobody sees them counted now.
    fn hurries(&self) -> bool {
        !self.shared.publisher.is_ready() || self.shared.reach.stopping()
    }

    /// Hands over to the keeper some of what goes to a checkpoint, as far as it has room; whether
    /// there may be more.
    fn hand_over(&mut self) -> Result<bool, CountError> {
        let lasts = if self.hurries() {
            HANDING_OVER_HURRIED
        } else {
            HANDING_OVER_MAX
        };
        let began = Instant::now();
        while began.elapsed() < lasts {
            if self.unsent.is_none() {
                let Some(keep) = self.engine.next_keep() else {
                    return Ok(false);
                };
                self.unsent = Some(match keep {
                    Keep::Events(events) => Given::Events {
                        worker: self.index % self.shared.workers,
                        directory: Arc::clone(self.engine.directory()),
                        events,
                    },
                    Keep::Cut { number, positions } => Given::Cut {
                        worker: self.index % self.shared.workers,
                        number,
                        positions,
                    },
                });
            }
            if let Some(Given::Cut { positions, .. }) = &self.unsent
                && !self.refusals.are_safe(positions)?
            {
                return Ok(false);
            }
            self.unsent = match self.unsent.take() {
                Some(given) => self.shared.keeper.try_give(given).err(),
                None => None,
            };
            if self.unsent.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Announces a tick if one is due, at worker 0. Says how long there is nothing to do, or
    /// `None` if there is.
    fn park(&mut self) -> Option<Duration> {
        let restores = self.restore.as_ref().is_some_and(|it| it.has_more());
        if self.more || restores {
            if let Some(lead) = &mut self.lead {
                lead.tick(&mut self.engine, true, self.shared);
            }
            return None;
        }
        let mut park = if self.view.is_some() {
            PARK
        } else {
            PARK_OTHERS
        };
        if let Some(wait) = self.retry {
            park = wait;
        }
        if self.unsent.is_some() || self.refusals.are_waiting() || self.restore.is_some() {
            park = PARK_SHORT;
        } else if self.reader.is_none() {
            park = PARK_OPENING;
        }
        match &mut self.lead {
            None => Some(park),
            Some(lead) => lead
                .tick(&mut self.engine, false, self.shared)
                .map(|wait| wait.min(park)),
        }
    }

    /// Passes on what keepers of different processes say to each other.
    fn pass_words(&mut self) {
        while let Some(word) = self.engine.next_word() {
            if self.view.is_some() {
                self.shared.keeper.hear(word);
            }
        }
        if self.view.is_some() {
            for word in self.shared.keeper.words() {
                if self.index == 0 {
                    self.engine.say_to_all(word);
                } else {
                    self.engine.say(word);
                }
            }
        }
    }

    fn say_alive(&mut self) {
        if self.view.is_some()
            && self.shared.processes > 1
            && self.alive_at.elapsed() >= ALIVE_EVERY
        {
            self.alive_at = Instant::now();
            self.engine.say_alive();
        }
    }
}
