//! One shard's work in one tick: what its ballots look up, and where they say what changed.

use rustc_hash::{FxHashMap, FxHashSet};

use super::cast::{Aside, Cast};
use super::outcome::{Cell, Departure, Sums, Why};
use crate::directory::{Directory, NONE, Revote};

/// Contests that the register does not know are numbered from here, by each worker on its own.
pub(super) const STRAYS_FROM: u32 = 1 << 31;

/// Who is registered: election and voter's hash.
pub(super) type Roll = FxHashSet<(u32, u128)>;

/// Which ballots are meant: of one voter in one contest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// The contest's number.
    pub(super) contest: u32,
    /// The voter's hash.
    pub(super) voter: u128,
    /// The entry in its shard.
    pub(super) entry: u32,
}

impl Seat {
    /// The number under which the views count the contest.
    pub(super) fn row(&self) -> u32 {
        if self.contest < STRAYS_FROM {
            self.contest
        } else {
            NONE
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

/// What a tick changes in one shard: ballots that came or left, and events of which something
/// that is kept is new, by entry and cast or void.
#[derive(Debug, Default)]
pub(super) struct Moves {
    ballots: FxHashMap<(u32, u32), Move>,
    pub(super) casts: FxHashSet<(u32, u32)>,
    pub(super) voids: Vec<(u32, u32)>,
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
}

/// See the module.
pub(super) struct Round<'a> {
    pub(super) directory: &'a Directory,
    pub(super) roll: &'a Roll,
    pub(super) sums: &'a mut Sums,
    pub(super) moves: &'a mut Moves,
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

    /// Changes the cell of an accepted ballot.
    pub(super) fn cell(&mut self, cast: &Cast, seat: &Seat, change: i64) {
        let place = self.directory.place(seat.contest);
        let cell = Cell {
            election: place.election,
            contest: seat.contest,
            candidate: cast.candidate(),
            location: cast.place(),
            late: cast.late,
            start_ms: start_ms(cast.time_ms, place.slide_ms),
        };
        self.sums.cell(cell, change);
    }

    /// Whether two times of a contest lie in different cells.
    pub(super) fn in_other_cell(&self, a_ms: i64, b_ms: i64, seat: &Seat) -> bool {
        let slide_ms = self.directory.place(seat.contest).slide_ms;
        start_ms(a_ms, slide_ms) != start_ms(b_ms, slide_ms)
    }

    /// A cast is new, or what is kept of it is.
    pub(super) fn touched(&mut self, seat: &Seat, at: u32) {
        self.moves.casts.insert((seat.entry, at));
    }

    /// A void is new.
    pub(super) fn void_added(&mut self, seat: &Seat, at: u32) {
        self.moves.voids.push((seat.entry, at));
    }

    /// A ballot counts now.
    pub(super) fn entered(&mut self, seat: &Seat, at: u32) {
        let key = (seat.entry, at);
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
        let key = (seat.entry, at);
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
        let step = self.moves.ballots.entry((seat.entry, at));
        step.or_insert(Move::Moved(departure));
    }
}

/// The start of the cell that holds an instant.
fn start_ms(time_ms: i64, slide_ms: i64) -> i64 {
    time_ms.div_euclid(slide_ms) * slide_ms
}
