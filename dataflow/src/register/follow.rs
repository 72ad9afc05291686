//! Steps from the register in force that make the next one refused.
//!
//! What is named here is in force, or would change what is: everybody knows it already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Register;
use super::problem::{Problem, Problems, quoted, thousands};

/// A roll may shrink by one part of so many.
const ROLL_SHRINKS_PART: u64 = 10;

/// How a register may differ from the one in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterChange {
    /// Candidates, contests, locations, elections and many voters may go, their votes then set
    /// aside.
    pub allow_drop: bool,
    /// All votes are counted anew under it, so what only binds a running count may differ.
    pub recounted: bool,
}

impl Register {
    /// Checks a register, sound by itself, against the one in force; empty if it may follow.
    pub fn check_against(&self, in_force: &Register, how: RegisterChange) -> Vec<Problem> {
        let mut problems = Problems::default();
        if !how.recounted {
            self.check_default_stays(in_force, &mut problems);
            self.check_windows_stay(in_force, &mut problems);
            self.check_elections_stay(in_force, &mut problems);
            self.check_leaves_stay(in_force, &mut problems);
        }
        if !how.allow_drop {
            self.check_rolls_stay(in_force, &mut problems);
            self.check_nothing_gone(in_force, &mut problems);
        }
        problems.finish()
    }

    fn check_default_stays(&self, in_force: &Register, problems: &mut Problems) {
        let (was, is) = (in_force.default_contest(), self.default_contest());
        if was == is {
            return;
        }
        let named = |contest: Option<&str>| contest.map_or_else(|| "none".to_string(), quoted);
        problems.add(("default changes", ""), || {
            format!(
                "the default contest would change from {} to {}: it is part of what votes mean; \
                 keep it, or stop the service and count anew",
                named(was),
                named(is)
            )
        });
    }

    fn check_windows_stay(&self, in_force: &Register, problems: &mut Problems) {
        let known: HashMap<&str, (i64, i64)> = in_force
            .contests
            .iter()
            .map(|c| (&*c.contest_id, (c.window_ms, c.slide_ms)))
            .collect();
        for contest in &self.contests {
            let Some(&(window_ms, slide_ms)) = known.get(&*contest.contest_id) else {
                continue;
            };
            if (window_ms, slide_ms) != (contest.window_ms, contest.slide_ms) {
                problems.add(("window changes", ""), || {
                    format!(
                        "contest {}: window_ms and slide_ms were {window_ms} and {slide_ms} and \
                         would be {} and {}; they stay as they are",
                        quoted(&contest.contest_id),
                        contest.window_ms,
                        contest.slide_ms
                    )
                });
            }
        }
    }

    fn check_elections_stay(&self, in_force: &Register, problems: &mut Problems) {
        let known: HashMap<&str, &str> = in_force
            .contests
            .iter()
            .map(|c| (&*c.contest_id, &*c.election_id))
            .collect();
        for contest in &self.contests {
            let was = known.get(&*contest.contest_id);
            if let Some(was) = was.filter(|was| **was != contest.election_id) {
                problems.add(("election changes", ""), || {
                    format!(
                        "contest {}: it belongs to election {} and would move to {}; give the new \
                         one an id of its own",
                        quoted(&contest.contest_id),
                        quoted(was),
                        quoted(&contest.election_id)
                    )
                });
            }
        }
    }

    fn check_leaves_stay(&self, in_force: &Register, problems: &mut Problems) {
        let inner = inner_locations(in_force);
        let leaves: HashSet<(&str, &str)> = in_force
            .locations
            .iter()
            .map(|l| (&*l.election_id, &*l.location))
            .filter(|location| !inner.contains(location))
            .collect();
        for (election, parent) in inner_locations(self) {
            if leaves.contains(&(election, parent)) {
                problems.add(("child of a leaf", ""), || {
                    format!(
                        "location {} of {} is a leaf and would get children; add new leaves \
                         beside it",
                        quoted(parent),
                        quoted(election)
                    )
                });
            }
        }
    }

    /// A list that was cut, by a disk that was full, say, is still a list.
    fn check_rolls_stay(&self, in_force: &Register, problems: &mut Problems) {
        let (was, is) = (roll_sizes(in_force), roll_sizes(self));
        for (election, was) in was {
            let Some(&is) = is.get(election) else {
                continue;
            };
            if was.saturating_sub(is) > was / ROLL_SHRINKS_PART || (is == 0 && was > 0) {
                problems.add(("roll shrinks", ""), || {
                    let how = match is {
                        0 => "become empty".to_string(),
                        _ => format!("shrink to {}, by more than a tenth", thousands(is as usize)),
                    };
                    format!(
                        "election {}: its roll of {} voters would {how}: put them back if the \
                         list was cut, or start with --allow-drop to have the votes of those who \
                         are gone set aside",
                        quoted(election),
                        thousands(was as usize),
                    )
                });
            }
        }
    }

    fn check_nothing_gone(&self, in_force: &Register, problems: &mut Problems) {
        type Keys<'a> = BTreeSet<(&'a str, &'a str)>;
        let mut gone = |what: &'static str, was: Keys<'_>, is: Keys<'_>| {
            for (scope, id) in was.difference(&is) {
                problems.add(("gone", what), || {
                    let within = if scope.is_empty() {
                        String::new()
                    } else {
                        format!(" of {}", quoted(scope))
                    };
                    format!(
                        "{what} {}{within} is gone: put it back, or start with --allow-drop to \
                         have its votes set aside",
                        quoted(id)
                    )
                });
            }
        };
        fn elections(r: &Register) -> Keys<'_> {
            r.elections.iter().map(|e| ("", &*e.election_id)).collect()
        }
        fn contests(r: &Register) -> Keys<'_> {
            r.contests.iter().map(|c| ("", &*c.contest_id)).collect()
        }
        fn candidates(r: &Register) -> Keys<'_> {
            let rows = r.candidates.iter();
            rows.map(|c| (&*c.contest_id, &*c.candidate_id)).collect()
        }
        fn locations(r: &Register) -> Keys<'_> {
            let rows = r.locations.iter();
            rows.map(|l| (&*l.election_id, &*l.location)).collect()
        }
        gone("election", elections(in_force), elections(self));
        gone("contest", contests(in_force), contests(self));
        gone("candidate", candidates(in_force), candidates(self));
        gone("location", locations(in_force), locations(self));
    }
}

fn inner_locations(register: &Register) -> BTreeSet<(&str, &str)> {
    let rows = register.locations.iter();
    rows.filter_map(|l| Some((&*l.election_id, l.parent.as_deref()?)))
        .collect()
}

/// The size of the roll of each election that has one.
fn roll_sizes(register: &Register) -> BTreeMap<&str, u64> {
    let voters = register.voters.by_election();
    let rolls = register.elections.iter().filter(|election| election.roll);
    rolls
        .map(|election| {
            let size = voters.get(&*election.election_id);
            (&*election.election_id, size.copied().unwrap_or(0))
        })
        .collect()
}
