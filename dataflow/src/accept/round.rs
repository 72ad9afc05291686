//! The work of one tick: what ballots look up, and where they say what changed.

use rustc_hash::{FxHashMap, FxHashSet};

use super::cast::{Aside, Cast, State};
use super::entry::Entry;
use super::outcome::{Count, Departure, Placed, Span, Sums, Why};
use super::strays::Strays;
use super::unknowns::Unknowns;
use crate::directory::{BLANK, Directory, NONE, Revote};
use crate::intake::Arrival;

/// Stands for a contest that no register has named yet; its hash is with the ballots.
pub(super) const STRAY: u32 = NONE - 1;

/// Who is registered: election and voter's hash.
pub(super) type Roll = FxHashSet<(u32, u128)>;

/// Which ballots are meant: of one voter in one contest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// The contest's number.
    pub(super) contest: u32,
    /// The voter's hash.
    pub(super) voter: u128,
    /// The shard.
    pub(super) shard: u32,
    /// The entry in its shard.
    pub(super) entry: u32,
}

impl Seat {
    fn cast(&self, at: u32) -> CastAt {
        (self.shard, self.entry, at)
    }

    /// The number under which the views count the contest.
    pub(super) fn row(&self) -> u32 {
        match self.contest {
            STRAY => NONE,
            known => known,
        }
    }
}

/// What became, in this tick, of a ballot that counts or counted.
#[derive(Clone, Copy, Debug)]
enum Move {
    Entered,
    Left(Departure),
    Moved(Departure),
}

/// A cast or void: its shard, its entry there, and its number there.
pub(super) type CastAt = (u32, u32, u32);

/// What a tick changes: ballots that came or left, and events of which something that is kept is
/// new.
#[derive(Debug, Default)]
pub(super) struct Moves {
    ballots: FxHashMap<CastAt, Move>,
    pub(super) casts: FxHashSet<CastAt>,
    pub(super) voids: Vec<CastAt>,
    /// Plain entries of earlier ticks that are plain no longer, and were not handed over: by shard
    /// and place, as they were.
    pub(super) opened: Vec<(u32, u32, Entry)>,
}

impl Moves {
    /// Tells the departures: ballots that counted before this tick and do not now, or elsewhere.
    pub(super) fn settle(&mut self, sums: &mut Sums) {
        for (_, step) in self.ballots.drain() {
            if let Move::Left(departure) | Move::Moved(departure) = step {
                sums.departure(departure);
            }
        }
    }

    /// Forgets what is new of what is kept.
    pub(super) fn forget(&mut self) {
        self.casts.clear();
        self.voids.clear();
        self.opened.clear();
    }
}

/// See the module.
pub(super) struct Round<'a> {
    pub(super) directory: &'a Directory,
    pub(super) roll: &'a Roll,
    pub(super) sums: &'a mut Sums,
    pub(super) moves: &'a mut Moves,
    pub(super) unknowns: &'a mut Unknowns,
    pub(super) strays: &'a Strays,
}

impl Round<'_> {
    /// Which of a voter's casts counts; `None` where the register does not know the contest.
    pub(super) fn revote(&self, seat: &Seat) -> Option<Revote> {
        self.directory.rule(seat.contest).map(|rule| rule.revote)
    }

    /// The first reason for which the register does not let a cast count.
    pub(super) fn aside(&self, cast: &Cast, seat: &Seat) -> Option<Aside> {
        let on_roll = |election| self.roll.contains(&(election, seat.voter));
        cast.aside(seat.contest, on_roll, self.directory)
    }

    /// Counts the plain cast of a voter who had none, unless the register does not let it count
    /// or does not know enough of it.
    pub(super) fn plain(&mut self, arrival: &Arrival, contest: u32) -> bool {
        let directory = self.directory;
        let Some(rule) = directory.rule(contest) else {
            return false;
        };
        let is_open = rule.opens_ms.is_none_or(|ms| arrival.time_ms >= ms)
            && rule.closes_ms.is_none_or(|ms| arrival.time_ms < ms);
        let on_roll = !rule.roll || self.roll.contains(&(rule.election, arrival.voter));
        let placed = Placed {
            election: rule.election,
            contest,
            candidate: arrival.candidate,
            location: arrival.location,
        };
        let span = Span {
            contest,
            start_ms: self.sums.start_ms(arrival.time_ms, rule.slide_ms),
            candidate: arrival.candidate,
            late: arrival.late,
        };
        let stands = || {
            (placed.candidate == BLANK || directory.stands(contest, placed.candidate))
                && match placed.location {
                    NONE => !rule.has_locations,
                    location => directory.is_leaf(rule.election, location),
                }
        };
        is_open && on_roll && self.sums.ballot(placed, span, stands)
    }

    /// Changes the cell of an accepted ballot.
    pub(super) fn cell(&mut self, cast: &Cast, seat: &Seat, change: i64) {
        let place = self.directory.place(seat.contest);
        let placed = Placed {
            election: place.election,
            contest: seat.contest,
            candidate: cast.candidate(),
            location: cast.location(),
        };
        let span = Span {
            contest: seat.contest,
            start_ms: self.sums.start_ms(cast.time_ms, place.slide_ms),
            candidate: placed.candidate,
            late: cast.late,
        };
        self.sums.cell(placed, span, change);
    }

    /// Whether two times of a contest lie in different cells.
    pub(super) fn in_other_cell(&mut self, a_ms: i64, b_ms: i64, seat: &Seat) -> bool {
        let slide_ms = self.directory.place(seat.contest).slide_ms;
        self.sums.start_ms(a_ms, slide_ms) != self.sums.start_ms(b_ms, slide_ms)
    }

    /// Counts a cast that has come into a state, or with -1 has left it; `stray` is the hash of its
    /// contest, where that has no number.
    pub(super) fn counted(
        &mut self,
        (state, change): (State, i64),
        cast: &Cast,
        seat: &Seat,
        stray: u128,
    ) {
        self.sums.count(Count::Casts(seat.row(), state), change);
        let name = match seat.contest {
            STRAY => self.strays.name(stray),
            _ => None,
        };
        let contest = (seat.contest, name);
        self.unknowns
            .note((state, change), cast, contest, self.directory);
    }

    /// A cast is new, or what is kept of it is.
    pub(super) fn touched(&mut self, seat: &Seat, at: u32) {
        self.moves.casts.insert(seat.cast(at));
    }

    /// A void is new.
    pub(super) fn void_added(&mut self, seat: &Seat, at: u32) {
        self.moves.voids.push(seat.cast(at));
    }

    /// A ballot counts now.
    pub(super) fn entered(&mut self, seat: &Seat, at: u32) {
        let key = seat.cast(at);
        match self.moves.ballots.get(&key) {
            // It counted before the tick and does so again.
            Some(Move::Left(_)) => {
                self.moves.ballots.remove(&key);
            }
            Some(Move::Moved(_)) => {}
            Some(Move::Entered) | None => {
                self.moves.ballots.insert(key, Move::Entered);
            }
        }
    }

    /// A ballot counts no longer.
    pub(super) fn left(&mut self, seat: &Seat, at: u32, candidate: u32, why: Why) {
        let departure = Departure {
            contest: seat.contest,
            candidate,
            why,
        };
        let key = seat.cast(at);
        if let Some(Move::Entered) = self.moves.ballots.get(&key) {
            self.moves.ballots.remove(&key);
        } else {
            self.moves.ballots.insert(key, Move::Left(departure));
        }
    }

    /// A ballot counts in another cell.
    pub(super) fn moved(&mut self, seat: &Seat, at: u32, candidate: u32) {
        let departure = Departure {
            contest: seat.contest,
            candidate,
            why: Why::Moved,
        };
        let step = self.moves.ballots.entry(seat.cast(at));
        step.or_insert(Move::Moved(departure));
    }
}
