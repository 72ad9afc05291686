//! What changed in each contest, tick by tick, for as long as somebody may resume from.
//!
//! In comes the change of every published tick; out go those after a known tick, to be merged.
//! A tick is known if this process published it, whether or not something of the contest
//! changed in it. Never a part: if one change after a tick is no longer held, the answer is that
//! it is too old.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dataflow::view::ContestChange;
use tokio::time::Instant;

/// The most ticks that are remembered as published: about two hours at 20 a second, in 1 MiB.
/// Knowing a tick costs 8 bytes; it is what lets a quiet contest be resumed after a long time.
const TICKS_MAX: usize = 131_072;

/// What a key and its entry take beside the change itself, roughly.
const ENTRY_BYTES: usize = 96;

/// A change that later ones can be added to.
pub trait Merge: Default {
    /// Adds a later change to this one.
    fn merge(&mut self, later: &Self);
    /// Roughly how many bytes it holds.
    fn bytes(&self) -> usize;
}

impl Merge for ContestChange {
    fn merge(&mut self, later: &ContestChange) {
        ContestChange::merge(self, later);
    }

    fn bytes(&self) -> usize {
        ContestChange::bytes(self)
    }
}

/// What changed in a contest since a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since<C> {
    /// Nothing.
    Nothing,
    /// These, in order; never empty.
    Changes(Vec<Arc<C>>),
    /// Some of the changes since are no longer held.
    TooOld,
    /// This process has not published that tick.
    UnknownTick,
}

/// The changes of the last while, bounded in bytes.
pub struct History<C> {
    keep: Duration,
    bytes_max: usize,
    bytes: usize,
    /// The first tick that this process published to readers.
    first: Option<u64>,
    /// Published ticks, ascending.
    ticks: VecDeque<u64>,
    /// Every held change in the order of its tick, to drop the oldest first.
    held: VecDeque<Held>,
    contests: HashMap<Arc<str>, Contest<C>>,
}

struct Held {
    at: Instant,
    bytes: usize,
    contest: Arc<str>,
}

struct Contest<C> {
    /// The tick of the newest change that is no longer held, if one is not.
    dropped: Option<u64>,
    changes: VecDeque<(u64, Arc<C>)>,
}

/// Changes as one. Apart from the history, which nobody should have to wait for meanwhile.
pub fn merge<C: Merge>(changes: &[Arc<C>]) -> C {
    let mut merged = C::default();
    changes.iter().for_each(|change| merged.merge(change));
    merged
}

impl<C: Merge> History<C> {
    /// An empty history that keeps changes for `keep`, unless they exceed `bytes_max`.
    pub fn new(keep: Duration, bytes_max: usize) -> History<C> {
        History {
            keep,
            bytes_max,
            bytes: 0,
            first: None,
            ticks: VecDeque::new(),
            held: VecDeque::new(),
            contests: HashMap::new(),
        }
    }

    /// Forgets everything and begins at a tick: nobody has seen what was before it.
    pub fn restart(&mut self, tick: u64) {
        *self = History::new(self.keep, self.bytes_max);
        self.first = Some(tick);
        self.ticks.push_back(tick);
    }

    /// Adds a tick, later than all before, with what changed in it.
    pub fn push(&mut self, tick: u64, at: Instant, changes: BTreeMap<String, C>) {
        self.first.get_or_insert(tick);
        if self.ticks.len() == TICKS_MAX {
            self.ticks.pop_front();
        }
        self.ticks.push_back(tick);
        for (contest, change) in changes {
            self.hold(tick, at, contest, change);
        }
        while let Some(oldest) = self.held.front()
            && (oldest.at + self.keep < at || self.bytes > self.bytes_max)
        {
            self.drop_oldest();
        }
    }

    /// Whether anything of a contest changed after the tick `from`.
    pub fn changed_after(&self, contest: &str, from: u64) -> bool {
        let last = self.contests.get(contest).and_then(|contest| {
            let newest = contest.changes.back().map(|(tick, _)| *tick);
            newest.or(contest.dropped)
        });
        last.is_some_and(|last| last > from)
    }

    /// What changed in a contest after the tick `from`, up to and with the tick `to`.
    pub fn since(&self, contest: &str, from: u64, to: u64) -> Since<C> {
        let found = self.contests.get(contest);
        let dropped = found.and_then(|contest| contest.dropped);
        if !self.knows(from) && Some(from) != dropped {
            return match (self.first, self.ticks.front()) {
                (Some(first), Some(oldest)) if first <= from && from < *oldest => Since::TooOld,
                _ => Since::UnknownTick,
            };
        }
        if dropped.is_some_and(|dropped| from < dropped) {
            return Since::TooOld;
        }
        let Some(found) = found else {
            return Since::Nothing;
        };
        let begin = found.changes.partition_point(|(tick, _)| *tick <= from);
        let after = found.changes.range(begin..);
        let after = after.take_while(|(tick, _)| *tick <= to);
        let changes: Vec<_> = after.map(|(_, change)| Arc::clone(change)).collect();
        if changes.is_empty() {
            return Since::Nothing;
        }
        Since::Changes(changes)
    }

    fn knows(&self, tick: u64) -> bool {
        self.ticks.binary_search(&tick).is_ok()
    }

    fn hold(&mut self, tick: u64, at: Instant, contest: String, change: C) {
        let contest: Arc<str> = match self.contests.get_key_value(contest.as_str()) {
            Some((known, _)) => known.clone(),
            None => contest.into(),
        };
        let bytes = change.bytes() + ENTRY_BYTES;
        self.bytes += bytes;
        self.held.push_back(Held {
            at,
            bytes,
            contest: contest.clone(),
        });
        let empty = || Contest {
            dropped: None,
            changes: VecDeque::new(),
        };
        let changes = &mut self.contests.entry(contest).or_insert_with(empty).changes;
        changes.push_back((tick, Arc::new(change)));
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.held.pop_front() else {
            return;
        };
        self.bytes -= oldest.bytes;
        if let Some(contest) = self.contests.get_mut(&oldest.contest)
            && let Some((tick, _)) = contest.changes.pop_front()
        {
            contest.dropped = Some(tick);
        }
    }
}

#[cfg(test)]
mod tests;
