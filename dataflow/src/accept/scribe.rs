//! Writes down what the accept state keeps of an event, so that it can be taken again.

use super::cast::{Cast, Choices, Name, State};
use super::entry::Entry;
use super::round::STRAY;
use super::strays::Strays;
use crate::directory::{BLANK, Directory, NONE};
use crate::intake::{Arrival, UnknownContest, Unusual};
use crate::kept::{Kept, KeptState};
use crate::vote_id::VoteId;

/// See the module.
pub(super) struct Scribe<'a> {
    pub(super) directory: &'a Directory,
    pub(super) strays: &'a Strays,
}

impl Scribe<'_> {
    /// The one cast of a plain entry.
    pub(super) fn plain(&self, entry: &Entry) -> Kept {
        // Only what counts is plain, so the contest has a number.
        let contest_hash = self.directory.contest_hash(entry.contest());
        self.cast(entry, contest_hash, &entry.cast(), State::Accepted)
    }

    /// A cast of an entry.
    pub(super) fn cast(
        &self,
        entry: &Entry,
        contest_hash: u128,
        cast: &Cast,
        state: State,
    ) -> Kept {
        let mut unusual = Unusual::default();
        let candidate = match &cast.choices {
            Choices::Blank => BLANK,
            Choices::One(one) => *one,
            Choices::List(list) => {
                unusual.choices = Some(list.iter().map(|name| self.candidate(name)).collect());
                BLANK
            }
        };
        let location = match &cast.location {
            None => NONE,
            Some(Name::Known(number)) => *number,
            Some(Name::Unknown(text)) => {
                unusual.location = Some(text.clone());
                NONE
            }
        };
        let event = Arrival {
            time_ms: cast.time_ms,
            candidate,
            location,
            untimed: cast.untimed,
            late: cast.late,
            place: cast.place,
            ..self.named(entry, contest_hash, cast.vote, &mut unusual)
        };
        let state = match state {
            State::Accepted => KeptState::Accepted,
            State::Superseded => KeptState::Superseded,
            State::Voided => KeptState::Voided,
            State::SetAside(_) => KeptState::SetAside,
        };
        Kept {
            event: event.with(unusual),
            state,
        }
    }

    /// A void of an entry.
    pub(super) fn void(&self, entry: &Entry, contest_hash: u128, vote: VoteId) -> Kept {
        let mut unusual = Unusual::default();
        let event = Arrival {
            candidate: BLANK,
            location: NONE,
            void: true,
            ..self.named(entry, contest_hash, vote, &mut unusual)
        };
        Kept {
            event: event.with(unusual),
            state: KeptState::Void,
        }
    }

    /// Voter, contest and vote id.
    fn named(
        &self,
        entry: &Entry,
        contest_hash: u128,
        vote: VoteId,
        unusual: &mut Unusual,
    ) -> Arrival {
        let contest = match entry.contest() {
            STRAY => {
                let named = self.strays.name(contest_hash);
                let named = named.map(|name| UnknownContest::Named(name.into()));
                unusual.contest = named.or(Some(UnknownContest::Hashed(contest_hash)));
                NONE
            }
            number => number,
        };
        Arrival {
            voter: entry.key() ^ contest_hash,
            vote,
            contest,
            ..Arrival::default()
        }
    }

    fn candidate(&self, name: &Name) -> Box<str> {
        match name {
            Name::Known(number) => Box::from(&**self.directory.candidates.text(*number)),
            Name::Unknown(text) => text.clone(),
        }
    }
}
