//! Which codes votes name that the register does not know, and how many votes are set aside for
//! each.
//!
//! Follows the states of casts, so it is exact, but for what comes once there are so many codes
//! that somebody invents them. A register with other codes makes it begin anew.

use rustc_hash::FxHashMap;

use super::cast::{Aside, Cast, Choices, Name, State};
use crate::directory::Directory;

/// The most codes: enough to find what is misspelled, at most half a megabyte a worker.
const CODES_MAX: usize = 4096;

/// A code that the register does not know, in its field; `None` where the field is left out.
pub type UnknownCode = (&'static str, Option<Box<str>>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unknowns {
    votes: FxHashMap<UnknownCode, i64>,
    /// While all casts are looked at anew: what was counted is forgotten already.
    begins: bool,
    changed: bool,
}

impl Unknowns {
    /// Forgets everything; until [`Unknowns::has_begun`] nothing is taken off.
    pub(super) fn begin(&mut self) {
        self.votes.clear();
        (self.begins, self.changed) = (true, true);
    }

    /// All casts have been looked at.
    pub(super) fn has_begun(&mut self) {
        self.begins = false;
    }

    /// Notes that a cast has come into a state, or with -1 has left it. `contest` is the name of
    /// its contest, where it has none in the register but is known.
    pub(super) fn note(
        &mut self,
        (state, change): (State, i64),
        cast: &Cast,
        (number, contest): (u32, Option<&str>),
        directory: &Directory,
    ) {
        let State::SetAside(aside) = state else {
            return;
        };
        if self.begins && change < 0 {
            return;
        }
        let code = |text: Option<&str>| text.map(Box::from);
        match aside {
            Aside::UnknownContest => self.add("contest_id", code(contest), change),
            Aside::UnknownCandidate => {
                for text in unknown_candidates(cast, number, directory) {
                    self.add("candidate_id", code(Some(text)), change);
                }
            }
            Aside::UnknownLocation => {
                let text = cast.location.as_ref().map(|name| match name {
                    Name::Known(location) => &**directory.locations.text(*location),
                    Name::Unknown(text) => text,
                });
                self.add("location", code(text), change);
            }
            Aside::UnknownVoter | Aside::OutsideHours => (),
        }
    }

    fn add(&mut self, field: &'static str, code: Option<Box<str>>, change: i64) {
        let has_room = self.votes.len() < CODES_MAX;
        let code = (field, code);
        if !has_room && !self.votes.contains_key(&code) {
            return;
        }
        self.changed = true;
        let votes = self.votes.entry(code.clone()).or_default();
        *votes += change;
        if *votes <= 0 {
            self.votes.remove(&code);
        }
    }

    /// All codes with their votes, if anything has changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> Option<Vec<(UnknownCode, i64)>> {
        let votes = || {
            self.votes
                .iter()
                .map(|(code, votes)| (code.clone(), *votes))
        };
        std::mem::take(&mut self.changed).then(|| votes().collect())
    }
}

fn unknown_candidates<'a>(
    cast: &'a Cast,
    contest: u32,
    directory: &'a Directory,
) -> impl Iterator<Item = &'a str> {
    let (one, list) = match &cast.choices {
        Choices::Blank => (None, &[][..]),
        Choices::One(one) => (Some(*one), &[][..]),
        Choices::List(list) => (None, &**list),
    };
    let text = move |candidate: u32| {
        let stands = directory.stands(contest, candidate);
        (!stands).then(|| &**directory.candidates.text(candidate))
    };
    let of_list = list.iter().filter_map(move |name| match name {
        Name::Known(candidate) => text(*candidate),
        Name::Unknown(text) => Some(&**text),
    });
    one.into_iter().filter_map(text).chain(of_list)
}
