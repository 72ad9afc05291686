//! Writes down what the accept state keeps of an event, so that it can be taken again.

use super::cast::{Cast, Choices, Name, State};
use super::contest_hash;
use super::entry::Entry;
use super::round::STRAYS_FROM;
use crate::directory::{BLANK, Directory, NONE, Names};
use crate::hash::KeyedHash;
use crate::intake::{Arrival, Unusual};
use crate::kept::{Kept, KeptState};
use crate::vote_id::VoteId;

/// See the module.
pub(super) struct Scribe<'a> {
    pub(super) directory: &'a Directory,
    pub(super) strays: &'a Names,
    pub(super) hash: &'a KeyedHash,
}

impl Scribe<'_> {
    /// The one cast of a plain entry.
    pub(super) fn plain(&self, entry: &Entry) -> Kept {
        self.cast(entry, &entry.cast(), State::Accepted)
    }

    /// A cast of an entry.
    pub(super) fn cast(&self, entry: &Entry, cast: &Cast, state: State) -> Kept {
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
            ..self.named(entry, &cast.vote_id, &mut unusual)
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
    pub(super) fn void(&self, entry: &Entry, vote_id: &VoteId) -> Kept {
        let mut unusual = Unusual::default();
        let event = Arrival {
            candidate: BLANK,
            location: NONE,
            void: true,
            ..self.named(entry, vote_id, &mut unusual)
        };
        Kept {
            event: event.with(unusual),
            state: KeptState::Void,
        }
    }

    /// Voter, contest and vote id.
    fn named(&self, entry: &Entry, vote_id: &VoteId, unusual: &mut Unusual) -> Arrival {
        let contest = entry.contest();
        let hash = contest_hash(contest, self.directory, self.strays, self.hash);
        let known = match contest {
            NONE => NONE,
            STRAYS_FROM.. => {
                let text = self.strays.text(contest - STRAYS_FROM);
                unusual.contest = Some(Box::from(&**text));
                NONE
            }
            known => known,
        };
        let vote_id = match vote_id {
            VoteId::Uuid(bytes) => u128::from_be_bytes(*bytes),
            VoteId::Text(text) => {
                unusual.vote_id = Some(text.clone());
                0
            }
        };
        Arrival {
            voter: entry.key() ^ hash,
            vote_id,
            contest: known,
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
