//! Ballots by candidate: a small sorted map without zeros.

use crate::answer::VotesByCandidate;
use crate::directory::{BLANK, Directory};

/// Ballots by candidate; blank ones under [`BLANK`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes(Vec<(u32, i64)>);

impl Votes {
    /// No ballots.
    pub(super) const NONE: Votes = Votes(Vec::new());

    /// Adds to a candidate.
    pub(super) fn add(&mut self, candidate: u32, by: i64) {
        match self.0.binary_search_by_key(&candidate, |(key, _)| *key) {
            Ok(at) => {
                self.0[at].1 += by;
                if self.0[at].1 == 0 {
                    self.0.remove(at);
                }
            }
            Err(at) if by != 0 => self.0.insert(at, (candidate, by)),
            Err(_) => {}
        }
    }

    /// Adds all of another, `times` over.
    pub(super) fn add_all(&mut self, other: &Votes, times: i64) {
        for &(candidate, votes) in &other.0 {
            self.add(candidate, votes * times);
        }
    }

    /// A candidate's.
    pub(super) fn of(&self, candidate: u32) -> u64 {
        match self.0.binary_search_by_key(&candidate, |(key, _)| *key) {
            Ok(at) => count(self.0[at].1),
            Err(_) => 0,
        }
    }

    /// At least how many ballots changed on the way here from there: a ballot that went from one
    /// candidate to another is one.
    pub(super) fn changed_from(&self, before: &Votes) -> u64 {
        let mut difference = self.clone();
        difference.add_all(before, -1);
        let each = || difference.0.iter().map(|(_, votes)| *votes);
        let came: i64 = each().filter(|votes| *votes > 0).sum();
        let went: i64 = each().filter(|votes| *votes < 0).sum();
        came.max(-went).unsigned_abs()
    }

    /// Whether a candidate has fewer than none, as a difference may.
    pub(super) fn has_negative(&self) -> bool {
        self.0.iter().any(|(_, votes)| *votes < 0)
    }

    /// Every candidate with votes, and blank ballots under [`BLANK`].
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, i64)> {
        self.0.iter().copied()
    }

    /// All, blank ones too.
    pub(super) fn accepted(&self) -> u64 {
        count(self.0.iter().map(|(_, votes)| votes).sum())
    }

    /// Those without a choice.
    pub(super) fn blank(&self) -> u64 {
        self.of(BLANK)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The candidate who alone has the most, if any.
    pub(super) fn leader(&self) -> Option<u32> {
        let named = || self.0.iter().filter(|(candidate, _)| *candidate != BLANK);
        let most = named().map(|(_, votes)| *votes).max()?;
        let mut leaders = named().filter(|(_, votes)| *votes == most);
        match (leaders.next(), leaders.next()) {
            (Some((leader, _)), None) => Some(*leader),
            _ => None,
        }
    }

    /// By candidate id.
    pub(super) fn named(&self, directory: &Directory) -> VotesByCandidate {
        let named = self.0.iter().filter(|(candidate, _)| *candidate != BLANK);
        named
            .map(|(candidate, votes)| {
                let id = directory.candidates.text(*candidate).to_string();
                (id, count(*votes))
            })
            .collect()
    }
}

/// A sum as a count. Sums of closed ticks are never negative.
pub(super) fn count(sum: i64) -> u64 {
    debug_assert!(sum >= 0, "a count of {sum}");
    u64::try_from(sum).unwrap_or_default()
}

/// A share of a whole, if there is one.
pub(super) fn share(part: u64, whole: Option<u64>) -> Option<f64> {
    whole
        .filter(|whole| *whole > 0)
        .map(|whole| part as f64 / whole as f64)
}
