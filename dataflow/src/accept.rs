//! Which vote counts: events and registers in, changes of cells and counts out, once a tick.
//!
//! One state for each (contest, voter), in many small maps; the one large state of the system,
//! and the only operator that is not differential: `reduce` over (voter → vote) costs several
//! times as much. A tick's events are kept until it closes, sorted by map, and applied map by
//! map; what they change is summed before it leaves.
//!
//! The state after a tick is a function of the set of events up to it and of the register, for
//! any order and batching (law 2); ticks are applied in order, the register before the events.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use cast::{Aside, State};
pub use outcome::{Cell, Count, Departure, Outcome, Why};

use crate::directory::{Directory, NONE, Names, Review};
use crate::hash::KeyedHash;
use crate::intake::{Arrival, NO_CONTEST_HASH};
use crate::kept::Kept;
use outcome::Sums;
use round::{Moves, Roll, Round, STRAYS_FROM};
use scribe::Scribe;
use shard::Shard;

mod ballots;
mod cast;
mod entry;
mod journal;
mod operator;
mod outcome;
mod round;
mod scribe;
mod shard;

pub use journal::Journal;
pub use operator::accept;

/// How many maps a worker has: enough that one of them grows in well under a millisecond at tens
/// of millions of voters, and few enough that idle ones cost nothing.
const SHARDS: usize = 1024;

/// A voter who comes on a roll or leaves it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RollStep {
    /// The election.
    pub election: u32,
    /// The voter's hash.
    pub voter: u128,
    /// Whether the voter is on the roll from now on.
    pub on: bool,
}

/// What happens to the accept state in one tick.
#[derive(Debug, Default)]
struct Tick {
    directory: Option<Arc<Directory>>,
    roll: Vec<RollStep>,
    events: Vec<Vec<Arrival>>,
}

/// The accept state of one worker.
struct Accept {
    hash: KeyedHash,
    directory: Arc<Directory>,
    roll: Roll,
    /// Contests that events name and the register does not know.
    strays: Names,
    shards: Vec<Shard>,
    sums: Sums,
    ticks: BTreeMap<u64, Tick>,
}

impl Accept {
    fn new(hash: KeyedHash) -> Accept {
        Accept {
            hash,
            directory: Arc::default(),
            roll: Roll::default(),
            strays: Names::default(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            sums: Sums::default(),
            ticks: BTreeMap::new(),
        }
    }

    /// Applies a tick: the register first, then the events. Writes down what it changes of what
    /// is kept, where somebody wants to know; else it takes again what was kept before, and copies
    /// of that are no duplicates.
    fn apply(
        &mut self,
        tick: Tick,
        mut kept: Option<&mut Vec<Kept>>,
    ) -> impl Iterator<Item = (Outcome, i64)> {
        // Moves are settled once a tick: a ballot that left and came back has not departed.
        let mut moves: FxHashMap<usize, Moves> = FxHashMap::default();
        let sizes: Vec<u32> = self.shards.iter().map(Shard::len).collect();
        self.apply_register(tick.directory, &tick.roll, &mut moves);
        self.apply_events(tick.events, &sizes, &mut moves);
        let scribe = Scribe {
            directory: &self.directory,
            strays: &self.strays,
            hash: &self.hash,
        };
        for (&at, moves) in &mut moves {
            moves.settle(&mut self.sums);
            if let Some(kept) = &mut kept {
                self.shards[at].changed(sizes[at], moves, &scribe, kept);
            }
        }
        self.sums.drain()
    }

    fn apply_register(
        &mut self,
        next: Option<Arc<Directory>>,
        roll: &[RollStep],
        moves: &mut FxHashMap<usize, Moves>,
    ) {
        for step in roll {
            let voter = (step.election, step.voter);
            if step.on {
                self.roll.insert(voter);
            } else {
                self.roll.remove(&voter);
            }
        }
        let review = next
            .as_ref()
            .map_or(Review::Nothing, |next| next.review_after(&self.directory));
        self.directory = next.unwrap_or_else(|| Arc::clone(&self.directory));
        if review != Review::Nothing {
            self.review_shards(review == Review::All, moves);
        }
        if review != Review::All {
            self.review_voters(roll, moves);
        }
    }

    fn review_shards(&mut self, all: bool, moves: &mut FxHashMap<usize, Moves>) {
        let (directory, strays, hash) = (&*self.directory, &self.strays, &self.hash);
        let contest_hash = |contest| contest_hash(contest, directory, strays, hash);
        let renumber = |contest: u32| match contest {
            NONE => NONE,
            STRAYS_FROM.. => directory
                .contests
                .number(strays.text(contest - STRAYS_FROM))
                .unwrap_or(contest),
            known => known,
        };
        for (at, shard) in self.shards.iter_mut().enumerate() {
            let mut round = Round {
                directory,
                roll: &self.roll,
                sums: &mut self.sums,
                moves: moves.entry(at).or_default(),
            };
            shard.review(all, contest_hash, renumber, &mut round);
        }
    }

    fn review_voters(&mut self, roll: &[RollStep], moves: &mut FxHashMap<usize, Moves>) {
        let directory = &*self.directory;
        let mut contests: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (contest, rule) in directory.rules().filter(|(_, rule)| rule.roll) {
            contests.entry(rule.election).or_default().push(contest);
        }
        for step in roll {
            for &contest in contests.get(&step.election).into_iter().flatten() {
                let hash = directory.contest_hash(contest);
                let at = shard_of(step.voter ^ hash);
                let mut round = Round {
                    directory,
                    roll: &self.roll,
                    sums: &mut self.sums,
                    moves: moves.entry(at).or_default(),
                };
                self.shards[at].review_key(step.voter, hash, &mut round);
            }
        }
    }

    fn apply_events(
        &mut self,
        batches: Vec<Vec<Arrival>>,
        sizes: &[u32],
        moves: &mut FxHashMap<usize, Moves>,
    ) {
        let mut events: Vec<Arrival> = batches.into_iter().flatten().collect();
        let mut contests = Vec::with_capacity(events.len());
        let mut order: Vec<(u32, u32)> = Vec::with_capacity(events.len());
        for (index, arrival) in (0..).zip(&events) {
            let contest = self.contest(arrival);
            let hash = contest_hash(contest, &self.directory, &self.strays, &self.hash);
            contests.push((contest, hash));
            order.push((shard_of(arrival.voter ^ hash) as u32, index));
        }
        order.sort_unstable();
        for group in order.chunk_by(|(a, _), (b, _)| a == b) {
            let at = group[0].0 as usize;
            let mut round = Round {
                directory: &self.directory,
                roll: &self.roll,
                sums: &mut self.sums,
                moves: moves.entry(at).or_default(),
            };
            for &(_, index) in group {
                let arrival = std::mem::take(&mut events[index as usize]);
                let (contest, hash) = contests[index as usize];
                self.shards[at].take(arrival, contest, hash, sizes[at], &mut round);
            }
        }
    }

    /// The number of an event's contest; given now if nobody knows it.
    fn contest(&mut self, arrival: &Arrival) -> u32 {
        let unknown = arrival.unusual.as_ref().and_then(|u| u.contest.as_ref());
        match unknown {
            None => arrival.contest,
            Some(id) => self
                .directory
                .contests
                .number(id)
                .unwrap_or_else(|| STRAYS_FROM + self.strays.give(id)),
        }
    }
}

fn contest_hash(contest: u32, directory: &Directory, strays: &Names, hash: &KeyedHash) -> u128 {
    match contest {
        NONE => NO_CONTEST_HASH,
        STRAYS_FROM.. => hash.contest(strays.text(contest - STRAYS_FROM)),
        known => directory.contest_hash(known),
    }
}

/// Which map a ballot is in. Bits that neither the map nor the choice of worker uses.
fn shard_of(key: u128) -> usize {
    (key >> 64) as usize % SHARDS
}

/// Which worker a voter belongs to.
pub fn worker_of(voter: u128) -> u64 {
    (voter >> 96) as u64
}
