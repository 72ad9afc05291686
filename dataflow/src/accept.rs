//! Which vote counts: events and registers in, changes of cells and counts out, once a tick.
//!
//! One state for each (contest, voter), in many small maps; the one large state of the system,
//! and the only operator that is not differential: `reduce` over (voter → vote) costs several
//! times as much. A tick's events are gathered until it closes, by voter, and applied group by
//! group; what they change is summed before it leaves.
//!
//! The state after a tick is a function of the set of events up to it and of the register, for
//! any order and batching (law 2); ticks are applied in order, the register before the events.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use cast::{Aside, State};
pub use foresee::{Foreseen, foresee};
pub use outcome::{Count, Departure, Outcome, Placed, Span, Why};
pub use unknowns::UnknownCode;

use crate::directory::{Directory, NONE, Review};
use crate::hash::KeyedHash;
use crate::intake::{Arrival, NO_CONTEST_HASH, UnknownContest};
use crate::kept::Kept;
use gathered::{GROUPS, Gathered, group_of};
use journal::Journal;
use outcome::Sums;
use round::{Moves, Roll, Round, STRAY, Seat};
use scribe::Scribe;
use shard::Shard;
use strays::Strays;
use unknowns::Unknowns;

mod ballots;
mod cast;
mod entries;
mod entry;
mod foresee;
mod gathered;
mod journal;
mod operator;
mod outcome;
mod places;
mod round;
mod scribe;
mod shard;
mod strays;
mod unknowns;

pub use operator::accept;

/// How many maps a worker has: enough that one of them grows in well under a millisecond at tens
/// of millions of voters, and few enough that idle ones cost nothing.
const SHARDS: usize = 1024;

/// Events that are looked up side by side before they are applied: enough that the memory is busy,
/// few enough that what came stays in the first cache.
const SIDE_BY_SIDE: usize = 32;

/// Rows of plain ballots that are handed over at a time: some tens of microseconds' work, so that
/// whoever hands over can stop in time.
const ROWS_HANDED: usize = 512;

/// Ticks whose buffers are kept for those that come: one is closing while the next fills.
const SPARE_MAX: usize = 2;

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
    events: Gathered,
}

/// The accept state of one worker. The operator changes it; between steps of the worker the engine
/// reads from it what is to be kept.
pub struct Accept {
    hash: KeyedHash,
    directory: Arc<Directory>,
    roll: Roll,
    /// Names of contests that the register does not know.
    strays: Strays,
    unknowns: Unknowns,
    shards: Vec<Shard>,
    sums: Sums,
    moves: Moves,
    ticks: BTreeMap<u64, Tick>,
    spare: Vec<Gathered>,
    journal: Journal,
}

impl Accept {
    /// An empty state. `keeps`: somebody wants to know what changes; `restores`: until
    /// [`Accept::restored`] it takes again what was kept before.
    pub fn new(hash: KeyedHash, keeps: bool, restores: bool) -> Accept {
        Accept {
            hash,
            directory: Arc::default(),
            roll: Roll::default(),
            strays: Strays::default(),
            unknowns: Unknowns::default(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            sums: Sums::default(),
            moves: Moves::default(),
            ticks: BTreeMap::new(),
            spare: Vec::new(),
            journal: Journal::new(keeps, restores),
        }
    }

    /// Says that epochs from this one on bring news.
    pub fn restored(&mut self, before: u64) {
        self.journal.restored_before(before);
    }

    /// Says that everything up to an open epoch is to be handed over, see [`Accept::next_kept`].
    pub fn plan_cut(&mut self, epoch: u64) {
        self.journal.plan(epoch);
    }

    /// The next rows of what is kept; with a cut's epoch, of those that belong before it.
    pub fn next_kept(&mut self, cut: Option<u64>) -> Option<Vec<Kept>> {
        if let Some(kept) = self.journal.read(cut.unwrap_or(u64::MAX)) {
            return Some(kept);
        }
        let cut = self.journal.cut(cut?)?;
        let scribe = Scribe {
            directory: &self.directory,
            strays: &self.strays,
        };
        let mut kept = Vec::with_capacity(ROWS_HANDED);
        while cut.shard < SHARDS && kept.len() < ROWS_HANDED {
            let upto = cut.sizes[cut.shard];
            let room = ROWS_HANDED - kept.len();
            if self.shards[cut.shard].hand_over(upto, room, &scribe, &mut kept) {
                cut.shard += 1;
            }
        }
        (!kept.is_empty()).then_some(kept)
    }

    /// Whether everything before a cut is handed over; said once.
    pub fn ends_cut(&mut self, epoch: u64) -> bool {
        let ends = self.journal.cut(epoch).is_some();
        if ends {
            self.journal.end_cut();
        }
        ends
    }

    /// Which codes votes name that the register does not know, with how many votes are set aside
    /// for it at this worker; nothing if it is as when this was asked last.
    pub fn take_unknown(&mut self) -> Option<Vec<(UnknownCode, i64)>> {
        self.unknowns.take_changed()
    }

    /// How many rows wait to be handed over and take memory of their own.
    pub fn rows_waiting(&self) -> usize {
        self.journal.rows()
    }

    /// Applies a tick: the register first, then the events. Writes down what it changes of what
    /// is kept, where somebody wants to know; else it takes again what was kept before, and copies
    /// of that are no duplicates.
    fn apply(&mut self, epoch: u64, tick: Tick) -> impl Iterator<Item = (Outcome, i64)> {
        let sizes = sizes(&self.shards);
        self.apply_register(tick.directory, &tick.roll);
        self.apply_events(tick.events, &sizes);
        // Moves are settled once a tick: a ballot that left and came back has not departed.
        self.moves.settle(&mut self.sums);
        let restores = self.journal.restores(epoch);
        if self.journal.wants(epoch) {
            self.write_down(epoch);
        } else {
            self.moves.forget();
            self.shards.iter_mut().for_each(Shard::is_kept);
        }
        self.sums.drain().filter(move |(outcome, _)| {
            // A later version of what was kept is no copy that came in.
            !(restores && *outcome == Outcome::Count(Count::Duplicates))
        })
    }

    fn write_down(&mut self, epoch: u64) {
        let scribe = Scribe {
            directory: &self.directory,
            strays: &self.strays,
        };
        let mut kept = Vec::new();
        for (shard, place, entry) in self.moves.opened.drain(..) {
            let row = scribe.plain(&entry);
            kept.extend(self.journal.write_opened(shard, place, row));
        }
        for (shard, place, at) in self.moves.casts.drain() {
            kept.extend(self.shards[shard as usize].kept_cast(place, at, &scribe));
        }
        for (shard, place, at) in self.moves.voids.drain(..) {
            kept.extend(self.shards[shard as usize].kept_void(place, at, &scribe));
        }
        self.journal.write(epoch, kept);
    }

    fn apply_register(&mut self, next: Option<Arc<Directory>>, roll: &[RollStep]) {
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
            self.unknowns.begin();
            self.review_shards(review == Review::All);
            self.unknowns.has_begun();
        }
        if review != Review::All {
            self.review_voters(roll);
        }
    }

    fn review_shards(&mut self, all: bool) {
        let mut round = Round {
            directory: &self.directory,
            roll: &self.roll,
            sums: &mut self.sums,
            moves: &mut self.moves,
            unknowns: &mut self.unknowns,
            strays: &self.strays,
        };
        for (at, shard) in (0..).zip(&mut self.shards) {
            shard.review((at, all), &mut round);
        }
    }

    fn review_voters(&mut self, roll: &[RollStep]) {
        let directory = &*self.directory;
        let mut contests: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (contest, rule) in directory.rules().filter(|(_, rule)| rule.roll) {
            contests.entry(rule.election).or_default().push(contest);
        }
        let mut round = Round {
            directory,
            roll: &self.roll,
            sums: &mut self.sums,
            moves: &mut self.moves,
            unknowns: &mut self.unknowns,
            strays: &self.strays,
        };
        for step in roll {
            for &contest in contests.get(&step.election).into_iter().flatten() {
                let hash = directory.contest_hash(contest);
                let at = shard_of(step.voter, step.voter ^ hash);
                self.shards[at as usize].review_key(at, step.voter, hash, &mut round);
            }
        }
    }

    fn apply_events(&mut self, mut events: Gathered, sizes: &[u32]) {
        let mut seats = Vec::with_capacity(SIDE_BY_SIDE);
        for group in events.iter_mut() {
            for side_by_side in group.chunks_mut(SIDE_BY_SIDE) {
                seats.extend(side_by_side.iter().map(|arrival| self.seat(arrival)));
                // One read after the other, none of which waits for the one before it.
                let touched = seats.iter().fold(0, |touched, (seat, key)| {
                    touched ^ self.shards[seat.shard as usize].touch(*key)
                });
                black_box(touched);
                let mut round = Round {
                    directory: &self.directory,
                    roll: &self.roll,
                    sums: &mut self.sums,
                    moves: &mut self.moves,
                    unknowns: &mut self.unknowns,
                    strays: &self.strays,
                };
                for (arrival, (seat, key)) in side_by_side.iter_mut().zip(seats.drain(..)) {
                    let (at, arrival) = (seat.shard as usize, std::mem::take(arrival));
                    self.shards[at].take(arrival, key, seat, sizes[at], &mut round);
                }
            }
        }
        events.clear();
        if self.spare.len() < SPARE_MAX {
            self.spare.push(events);
        }
    }

    /// Where an event's ballots are, but for the entry; and their key.
    fn seat(&mut self, arrival: &Arrival) -> (Seat, u128) {
        let (contest, hash) = self.contest(arrival);
        let key = arrival.voter ^ hash;
        let seat = Seat {
            contest,
            voter: arrival.voter,
            shard: shard_of(arrival.voter, key),
            entry: 0,
        };
        (seat, key)
    }

    /// The next tick to apply, of those before an epoch; once there is none, all of them are.
    fn next_closed(&mut self, open_from: u64) -> Option<(u64, Tick)> {
        let next = self.ticks.first_key_value().map(|(epoch, _)| *epoch);
        let next = next.filter(|epoch| *epoch < open_from);
        self.journal
            .cut_before(next.unwrap_or(open_from), || sizes(&self.shards));
        let tick = self.ticks.remove(&next?)?;
        Some((next?, tick))
    }

    /// What is gathered of a tick.
    fn tick(&mut self, epoch: u64) -> &mut Tick {
        self.ticks.entry(epoch).or_insert_with(|| Tick {
            events: self.spare.pop().unwrap_or_default(),
            ..Tick::default()
        })
    }

    /// The number and the hash of an event's contest.
    fn contest(&mut self, arrival: &Arrival) -> (u32, u128) {
        let unknown = arrival.unusual.as_ref().and_then(|u| u.contest.as_ref());
        let (number, hash) = match unknown {
            None if arrival.contest == NONE => return (NONE, NO_CONTEST_HASH),
            None => (
                Some(arrival.contest),
                self.directory.contest_hash(arrival.contest),
            ),
            Some(UnknownContest::Hashed(hash)) => (self.directory.contest_of_hash(*hash), *hash),
            Some(UnknownContest::Named(id)) => {
                let hash = self.hash.contest(id);
                let number = self.directory.contest_of_hash(hash);
                if number.is_none() {
                    self.strays.note(hash, id);
                }
                (number, hash)
            }
        };
        (number.unwrap_or(STRAY), hash)
    }
}

/// How many entries each shard has.
fn sizes(shards: &[Shard]) -> Vec<u32> {
    shards.iter().map(Shard::len).collect()
}

/// Which map a ballot is in: one of those of its voter's group. Bits that neither the map nor the
/// choice of worker uses.
fn shard_of(voter: u128, key: u128) -> u32 {
    const IN_GROUP: usize = SHARDS / GROUPS;
    let in_group = (key >> 72) as usize % IN_GROUP;
    (group_of(voter) * IN_GROUP + in_group) as u32
}

/// Which worker a voter belongs to.
pub fn worker_of(voter: u128) -> u64 {
    (voter >> 96) as u64
}
