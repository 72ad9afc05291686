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

/// Events for which an empty group keeps room: several times what a large tick brings to each, and
/// far below what one voter may bring, whose group is another each time.
const KEPT_MAX: usize = 4096;

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

    /// The groups that have events.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Vec<Arrival>> {
        self.groups.iter_mut().filter(|group| !group.is_empty())
    }

    /// Forgets all events, and keeps some room for others.
    pub(super) fn clear(&mut self) {
        for group in self.iter_mut() {
            group.clear();
            group.shrink_to(KEPT_MAX);
        }
    }
}

/// A voter's group. Bits that neither the map nor the choice of worker uses.
pub(super) fn group_of(voter: u128) -> usize {
    (voter >> 64) as usize % GROUPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_with_many_votes_leaves_no_room_behind() {
        let mut gathered = Gathered::default();
        for voter in [1_u128, 2].map(|voter| voter << 64) {
            for _ in 0..10 * KEPT_MAX {
                gathered.push(Arrival {
                    voter,
                    ..Arrival::default()
                });
            }
            gathered.clear();
        }
        assert_eq!(gathered.iter_mut().count(), 0);
        let room: usize = gathered.groups.iter().map(Vec::capacity).sum();
        assert!((1..=2 * KEPT_MAX).contains(&room), "{room}");
    }
}
