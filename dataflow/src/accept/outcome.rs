//! What *accept* tells the graph at the end of a tick: sums of changes, by key.
//!
//! Invariant: a key is here once a tick and worker, whatever the number of votes.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::cast::State;

/// Votes of one contest, candidate, location and slide-sized span of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The contest's election.
    pub election: u32,
    /// The contest.
    pub contest: u32,
    /// The candidate, or [`BLANK`](crate::directory::BLANK).
    pub candidate: u32,
    /// The location, or [`NONE`](crate::directory::NONE).
    pub location: u32,
    /// Whether the ballots in it came late.
    pub late: bool,
    /// The start of the span.
    pub start_ms: i64,
}

/// What is counted besides cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Count {
    /// Casts of a contest by state.
    Casts(u32, State),
    /// Pairs of voter and vote id of a contest that different casts share.
    Conflicts(u32),
    /// Different voids.
    Voids,
    /// Identical copies.
    Duplicates,
}

/// Why a ballot left a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Why {
    /// A void names it.
    Voided,
    /// Another cast of its voter counts instead.
    Superseded,
    /// Its time changed: an earlier copy of a cast without a timestamp came.
    Moved,
    /// The register changed.
    Register,
}

impl Why {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Voided => "voided",
            Why::Superseded => "superseded",
            Why::Moved => "moved",
            Why::Register => "register",
        }
    }
}

/// Ballots of a candidate that left its count in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Departure {
    /// The contest.
    pub contest: u32,
    /// The candidate, or [`BLANK`](crate::directory::BLANK).
    pub candidate: u32,
    /// The reason.
    pub why: Why,
}

/// What a tick changes, as it leaves *accept*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// A change of a cell.
    Cell(Cell),
    /// A change of a count.
    Count(Count),
    /// A departure; of its tick only, it does not accumulate.
    Departure(Departure),
}

/// Sums a tick's changes.
#[derive(Debug, Default)]
pub(super) struct Sums {
    cells: FxHashMap<Cell, i64>,
    counts: FxHashMap<Count, i64>,
    departures: FxHashMap<Departure, i64>,
}

impl Sums {
    pub(super) fn cell(&mut self, cell: Cell, change: i64) {
        *self.cells.entry(cell).or_default() += change;
    }

    pub(super) fn count(&mut self, count: Count, change: i64) {
        *self.counts.entry(count).or_default() += change;
    }

    pub(super) fn departure(&mut self, departure: Departure) {
        *self.departures.entry(departure).or_default() += 1;
    }

    /// Hands over what does not cancel out, and starts anew.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Outcome, i64)> {
        let cells = self.cells.drain().map(|(k, n)| (Outcome::Cell(k), n));
        let counts = self.counts.drain().map(|(k, n)| (Outcome::Count(k), n));
        let departures = self.departures.drain();
        let departures = departures.map(|(k, n)| (Outcome::Departure(k), n));
        cells
            .chain(counts)
            .chain(departures)
            .filter(|(_, change)| *change != 0)
    }
}
