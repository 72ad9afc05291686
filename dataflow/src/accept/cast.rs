//! A cast as *accept* keeps it, its state, and the order that decides which one counts.

use crate::directory::{BLANK, Directory, NONE};
use crate::intake::Arrival;
use crate::log_place::LogPlace;
use crate::vote_id::VoteId;
use serde::{Deserialize, Serialize};

/// A name that the register has numbered, or the text that it does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Known(u32),
    Unknown(Box<str>),
}

/// The choices of a cast, in order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choices {
    Blank,
    One(u32),
    List(Box<[Name]>),
}

/// Why the register does not let a cast count, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Aside {
    /// The contest is not in the register.
    UnknownContest,
    /// One of the choices does not stand in the contest.
    UnknownCandidate,
    /// Absent where it must not be, present where there are none, or no leaf.
    UnknownLocation,
    /// Not on the roll.
    UnknownVoter,
    /// Before the opening, or at or after the close.
    OutsideHours,
}

impl Aside {
    /// All reasons, in order.
    pub const ALL: [Aside; 5] = [
        Aside::UnknownContest,
        Aside::UnknownCandidate,
        Aside::UnknownLocation,
        Aside::UnknownVoter,
        Aside::OutsideHours,
    ];

    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Aside::UnknownContest => "unknown_contest",
            Aside::UnknownCandidate => "unknown_candidate",
            Aside::UnknownLocation => "unknown_location",
            Aside::UnknownVoter => "unknown_voter",
            Aside::OutsideHours => "outside_hours",
        }
    }
}

/// The state of a received cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// It counts.
    Accepted,
    /// It yields to another cast of its voter.
    Superseded,
    /// A void names it.
    Voided,
    /// The register does not let it count.
    SetAside(Aside),
}

/// A cast in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cast {
    pub(super) vote: VoteId,
    pub(super) choices: Choices,
    pub(super) location: Option<Name>,
    pub(super) time_ms: i64,
    /// Where the first of its copies lies in the log.
    pub(super) place: LogPlace,
    /// Whether its messages had no timestamp; its time is the earliest log time of its copies.
    pub(super) untimed: bool,
    /// Whether all its copies came late.
    pub(super) late: bool,
}

impl Cast {
    /// The cast of an arrival, with all names that the directory knows as numbers.
    pub(super) fn new(arrival: Arrival, directory: &Directory) -> Cast {
        let unusual = arrival.unusual.map_or_else(Default::default, |box_| *box_);
        let mut cast = Cast {
            vote: arrival.vote,
            choices: match unusual.choices {
                Some(list) => Choices::List(list.into_iter().map(Name::Unknown).collect()),
                None if arrival.candidate == BLANK => Choices::Blank,
                None => Choices::One(arrival.candidate),
            },
            location: match unusual.location {
                Some(text) => Some(Name::Unknown(text)),
                None => (arrival.location != NONE).then_some(Name::Known(arrival.location)),
            },
            time_ms: arrival.time_ms,
            place: arrival.place,
            untimed: arrival.untimed,
            late: arrival.late,
        };
        cast.learn(directory);
        cast
    }

    /// Replaces texts by the numbers that a directory has for them.
    ///
    /// Invariant: under one directory, equal choices are equal as values: one known choice is
    /// always `One`, a known name always `Known`.
    pub(super) fn learn(&mut self, directory: &Directory) {
        if let Choices::List(list) = &mut self.choices {
            for name in list.iter_mut() {
                learn(name, |text| directory.candidates.number(text));
            }
            if let [Name::Known(one)] = **list {
                self.choices = Choices::One(one);
            }
        }
        if let Some(name) = &mut self.location {
            learn(name, |text| directory.locations.number(text));
        }
    }

    /// Whether two casts of one voter and contest are identical as events.
    pub(super) fn is_copy_of(&self, other: &Cast) -> bool {
        self.vote == other.vote
            && self.choices == other.choices
            && self.location == other.location
            && self.untimed == other.untimed
            && (self.untimed || self.time_ms == other.time_ms)
    }

    /// The candidate that a plurality contest counts, or [`BLANK`].
    pub(super) fn candidate(&self) -> u32 {
        match &self.choices {
            Choices::One(one) => *one,
            Choices::Blank => BLANK,
            Choices::List(list) => match list.first() {
                Some(Name::Known(first)) => *first,
                _ => BLANK,
            },
        }
    }

    /// The location's number, or [`NONE`].
    pub(super) fn location(&self) -> u32 {
        match self.location {
            Some(Name::Known(number)) => number,
            _ => NONE,
        }
    }

    /// The first reason for which the register does not let the cast count.
    pub(super) fn aside(
        &self,
        contest: u32,
        on_roll: impl FnOnce(u32) -> bool,
        directory: &Directory,
    ) -> Option<Aside> {
        let Some(rule) = directory.rule(contest) else {
            return Some(Aside::UnknownContest);
        };
        let stands = |name: &Name| match name {
            Name::Known(candidate) => directory.stands(contest, *candidate),
            Name::Unknown(_) => false,
        };
        let candidates_known = match &self.choices {
            Choices::Blank => true,
            Choices::One(one) => directory.stands(contest, *one),
            Choices::List(list) => list.iter().all(stands),
        };
        let location_known = match &self.location {
            None => !rule.has_locations,
            Some(Name::Known(location)) => directory.is_leaf(rule.election, *location),
            Some(Name::Unknown(_)) => false,
        };
        if !candidates_known {
            Some(Aside::UnknownCandidate)
        } else if !location_known {
            Some(Aside::UnknownLocation)
        } else if rule.roll && !on_roll(rule.election) {
            Some(Aside::UnknownVoter)
        } else if rule
            .opens_ms
            .is_some_and(|opens_ms| self.time_ms < opens_ms)
            || rule
                .closes_ms
                .is_some_and(|closes_ms| self.time_ms >= closes_ms)
        {
            Some(Aside::OutsideHours)
        } else {
            None
        }
    }

    /// What casts of one voter and contest are ordered by. No two have a place in common, so one
    /// of two always counts.
    pub(super) fn order(&self) -> Order {
        (self.time_ms, self.place)
    }
}

/// Timestamp, and where that is equal the place of the first copy.
pub(super) type Order = (i64, LogPlace);

fn learn(name: &mut Name, number: impl FnOnce(&str) -> Option<u32>) {
    if let Name::Unknown(text) = name
        && let Some(number) = number(text)
    {
        *name = Name::Known(number);
    }
}
