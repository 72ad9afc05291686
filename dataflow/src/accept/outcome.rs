//! What *accept* tells the graph at the end of a tick: sums of changes, by key.
//!
//! Invariant: a key is here once a tick and worker, whatever the number of votes.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::cast::State;

/// Accepted ballots of one contest and candidate in a location: a cell without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Placed {
    /// The contest's election.
    pub election: u32,
    /// The contest.
    pub contest: u32,
    /// The candidate, or [`BLANK`](crate::directory::BLANK).
    pub candidate: u32,
    /// The location, or [`NONE`](crate::directory::NONE).
    pub location: u32,
}

/// Accepted ballots of one contest and candidate in a span of event time: a cell without its
/// location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The contest.
    pub contest: u32,
    /// The start of the span.
    pub start_ms: i64,
    /// The candidate, or [`BLANK`](crate::directory::BLANK).
    pub candidate: u32,
    /// Whether the ballots came late.
    pub late: bool,
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
    /// A change of cells, by location.
    Placed(Placed),
    /// A change of cells, by time.
    Span(Span),
    /// A change of a count.
    Count(Count),
    /// A departure; of its tick only, it does not accumulate.
    Departure(Departure),
}

/// Sums a tick's changes.
///
/// Cells are summed over time and over locations apart: no view asks for both, and there are
/// nearly as many cells as ballots where locations are many.
#[derive(Debug, Default)]
pub(super) struct Sums {
    placed: FxHashMap<Placed, Ballots>,
    spans: FxHashMap<Span, i64>,
    counts: FxHashMap<Count, i64>,
    departures: FxHashMap<Departure, i64>,
    /// The start and length of the last span that was looked for, in milliseconds.
    last_span: (i64, i64),
}

#[derive(Debug, Default)]
struct Ballots {
    change: i64,
    /// How many of them came by [`Sums::ballot`].
    accepted: i64,
    /// Whether the register is known to let ballots for this candidate in this location count.
    stands: bool,
}

impl Sums {
    /// The start of the span of a length that holds an instant; mostly that of the vote before.
    pub(super) fn start_ms(&mut self, time_ms: i64, slide_ms: i64) -> i64 {
        let (start_ms, last_slide_ms) = self.last_span;
        let is_last = slide_ms == last_slide_ms && time_ms >= start_ms;
        if !is_last || time_ms - start_ms >= slide_ms {
            self.last_span = (time_ms.div_euclid(slide_ms) * slide_ms, slide_ms);
        }
        self.last_span.0
    }

    pub(super) fn cell(&mut self, placed: Placed, span: Span, change: i64) {
        self.placed.entry(placed).or_default().change += change;
        *self.spans.entry(span).or_default() += change;
    }

    /// Counts a cast and its ballot if the register lets it count; `stands` is asked once a tick.
    pub(super) fn ballot(
        &mut self,
        placed: Placed,
        span: Span,
        stands: impl FnOnce() -> bool,
    ) -> bool {
        let ballots = self.placed.entry(placed).or_default();
        ballots.stands = ballots.stands || stands();
        if ballots.stands {
            ballots.change += 1;
            ballots.accepted += 1;
            *self.spans.entry(span).or_default() += 1;
        }
        ballots.stands
    }

    pub(super) fn count(&mut self, count: Count, change: i64) {
        *self.counts.entry(count).or_default() += change;
    }

    pub(super) fn departure(&mut self, departure: Departure) {
        *self.departures.entry(departure).or_default() += 1;
    }

    /// Hands over what does not cancel out, and starts anew.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Outcome, i64)> {
        for (placed, ballots) in self.placed.iter().filter(|(_, it)| it.accepted > 0) {
            let accepted = Count::Casts(placed.contest, State::Accepted);
            *self.counts.entry(accepted).or_default() += ballots.accepted;
        }
        let placed = self.placed.drain();
        let placed = placed.map(|(key, ballots)| (Outcome::Placed(key), ballots.change));
        let spans = self.spans.drain().map(|(k, n)| (Outcome::Span(k), n));
        let counts = self.counts.drain().map(|(k, n)| (Outcome::Count(k), n));
        let departures = self.departures.drain();
        let departures = departures.map(|(k, n)| (Outcome::Departure(k), n));
        placed
            .chain(spans)
            .chain(counts)
            .chain(departures)
            .filter(|(_, change)| *change != 0)
    }
}
