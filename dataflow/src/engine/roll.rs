//! The roll in force, at worker 0: registers come in, what is different for which voter goes out.
//!
//! A roll may be millions long: it is shared with the register, never copied, and two are
//! compared by one walk along both.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::hash::KeyedHash;
use crate::register::{Register, Roll, Voters};

/// See the module.
#[derive(Default)]
pub(super) struct RollInForce {
    /// What the rolls come from.
    voters: Voters,
    /// The elections whose roll counts.
    elections: BTreeSet<String>,
    rolls: Arc<BTreeMap<String, Roll>>,
}

impl RollInForce {
    /// Goes on to a register; `step` gets an election and a voter's hash, and whether the voter
    /// is on the roll now.
    pub(super) fn adopt(
        &mut self,
        register: &Register,
        hash: &KeyedHash,
        mut step: impl FnMut(&str, u128, bool),
    ) {
        let elections = register.elections.iter().filter(|election| election.roll);
        let elections: BTreeSet<String> = elections.map(|it| it.election_id.clone()).collect();
        if self.voters.is_same(&register.voters) && self.elections == elections {
            // A rename does not go through millions of voters.
            return;
        }
        let next = RollInForce {
            voters: register.voters.clone(),
            rolls: register.voters.rolls(hash, &register.elections),
            elections,
        };
        for election in self.elections.union(&next.elections) {
            let (was, is) = (self.hashes(election), next.hashes(election));
            differences(was, is, |voter, on| step(election, voter, on));
        }
        *self = next;
    }

    fn hashes(&self, election: &str) -> &[u128] {
        let roll = self.rolls.get(election);
        let roll = roll.filter(|_| self.elections.contains(election));
        roll.map_or(&[], Roll::hashes)
    }
}

/// What is in one of two ascending lists only; `true`: in the second.
fn differences(was: &[u128], is: &[u128], mut each: impl FnMut(u128, bool)) {
    let (mut was, mut is) = (was.iter().peekable(), is.iter().peekable());
    loop {
        let order = match (was.peek(), is.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(gone), Some(come)) => gone.cmp(come),
        };
        let (gone, come) = match order {
            Ordering::Less => (was.next(), None),
            Ordering::Greater => (None, is.next()),
            Ordering::Equal => {
                was.next();
                is.next();
                continue;
            }
        };
        gone.into_iter().for_each(|voter| each(*voter, false));
        come.into_iter().for_each(|voter| each(*voter, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_one_only_is_found_in_one_walk() {
        let check = |was: &[u128], is: &[u128], expected: &[(u128, bool)]| {
            let mut found = Vec::new();
            differences(was, is, |voter, on| found.push((voter, on)));
            assert_eq!(found, expected, "{was:?} {is:?}");
        };
        check(&[], &[], &[]);
        check(&[1, 2], &[1, 2], &[]);
        check(&[1], &[], &[(1, false)]);
        check(&[], &[1], &[(1, true)]);
        check(
            &[1, 3, 5],
            &[0, 3, 4, 9],
            &[(0, true), (1, false), (4, true), (5, false), (9, true)],
        );
    }
}
