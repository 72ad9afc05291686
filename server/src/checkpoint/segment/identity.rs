//! What makes two events the same, and the order of rows in a segment.
//!
//! The order is one of texts, not of numbers, so files that were written under different
//! directories merge. It is not the order in which votes count.

use std::cmp::Ordering;

use dataflow::directory::{BLANK, NONE};
use dataflow::intake::{Arrival, UnknownContest};
use dataflow::kept::Numbering;
use dataflow::vote_id::VoteId;

/// An event's identity, borrowed. The fields stand in the order in which they compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity<'a> {
    /// The voter's hash.
    pub voter: u128,
    /// The contest.
    pub contest: Contest<'a>,
    /// The vote id.
    pub vote: VoteId,
    /// A void comes after the casts that it voids.
    pub void: bool,
    /// All choices.
    pub choices: Choices<'a>,
    /// The location.
    pub location: Option<&'a str>,
    /// The message's own timestamp.
    pub timestamp_ms: Option<i64>,
}

/// A contest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contest<'a> {
    /// The message named none, and there was no default.
    None,
    /// By its id.
    Named(&'a str),
    /// By the hash of its id.
    Hashed(u128),
}

/// Choices: one text and a list of that text are equal, as are none and an empty list.
#[derive(Clone, Copy, Debug)]
pub enum Choices<'a> {
    /// A blank ballot, or a void.
    Blank,
    /// One candidate by number.
    One(&'a str),
    /// A list.
    List(&'a [Box<str>]),
}

impl<'a> Choices<'a> {
    /// The first choice.
    pub fn first(self) -> Option<&'a str> {
        self.texts().next()
    }

    /// All choices, where there are more than one.
    pub fn many(self) -> Option<&'a [Box<str>]> {
        match self {
            Choices::List(list) if list.len() > 1 => Some(list),
            _ => None,
        }
    }

    fn texts(self) -> impl Iterator<Item = &'a str> {
        let (one, list) = match self {
            Choices::Blank => (None, &[][..]),
            Choices::One(one) => (Some(one), &[][..]),
            Choices::List(list) => (None, list),
        };
        one.into_iter().chain(list.iter().map(|text| &**text))
    }
}

impl PartialEq for Choices<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Choices<'_> {}

impl PartialOrd for Choices<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Choices<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.texts().cmp(other.texts())
    }
}

impl<'a> Identity<'a> {
    /// The identity of an event whose numbers are those of `numbering`.
    pub fn of(event: &'a Arrival, numbering: &Numbering<'a>) -> Identity<'a> {
        let unusual = event.unusual.as_deref();
        let is_cast = !event.void;
        Identity {
            voter: event.voter,
            contest: match event.contest {
                NONE => match unusual.and_then(|unusual| unusual.contest.as_ref()) {
                    Some(UnknownContest::Named(id)) => Contest::Named(id),
                    Some(UnknownContest::Hashed(hash)) => Contest::Hashed(*hash),
                    None => Contest::None,
                },
                number => Contest::Named(numbering.contests.text(number)),
            },
            vote: event.vote,
            void: event.void,
            choices: match unusual.and_then(|unusual| unusual.choices.as_deref()) {
                Some(list) if is_cast => Choices::List(list),
                None if is_cast && event.candidate != BLANK => {
                    Choices::One(numbering.candidates.text(event.candidate))
                }
                _ => Choices::Blank,
            },
            location: match event.location {
                _ if event.void => None,
                NONE => unusual.and_then(|unusual| unusual.location.as_deref()),
                number => Some(numbering.locations.text(number)),
            },
            timestamp_ms: (is_cast && !event.untimed).then_some(event.time_ms),
        }
    }
}
