//! The events of a tick that is not complete yet, gathered by voter.
//!
//! Ballots lie all over the memory. Events of one group touch a small part of it, and events that
//! are looked up side by side wait for memory side by side; so a tick is applied by group.
//!
//! Groups are of the voter alone, since the contests' hashes of a tick are known once its register
//! is.

use crate::intake::Arrival;

/// How many groups.
pub(super) const GROUPS: usize = 128;

/// See the module.
#[derive(Debug)]
pub(super) struct Gathered {
    groups: Vec<Vec<Arrival>>,
}

impl Default for Gathered {
    fn default() -> Self {
        Gathered {
            groups: vec![Vec::new(); GROUPS],
        }
    }
}

impl Gathered {
    pub(super) fn push(&mut self, arrival: Arrival) {
        self.groups[group_of(arrival.voter)].push(arrival);
    }

    /// The groups, to be drained.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Vec<Arrival>> {
        self.groups.iter_mut().filter(|group| !group.is_empty())
    }
}

/// A voter's group. Bits that neither the map nor the choice of worker uses.
pub(super) fn group_of(voter: u128) -> usize {
    (voter >> 64) as usize % GROUPS
}
