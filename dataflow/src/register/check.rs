//! What makes a register refused: its own faults, and steps that the register in force forbids.
//!
//! Every fault is named, not only the first, so that an operator mends a file once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::{REGISTERED_MAX, Register, SLIDE_MS_MAX, SLIDE_MS_MIN, SLIDES_PER_WINDOW_MAX, is_id};

/// One reason to refuse a register, as a sentence for its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a register may differ from the one in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterChange {
    /// Candidates, contests, locations and elections may go, their votes then set aside.
    pub allow_drop: bool,
    /// All votes are counted anew under it, so what only binds a running count may differ.
    pub recounted: bool,
}

impl Register {
    /// Checks a register by itself; empty if it may be used.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.check_ids(&mut problems);
        self.check_contests(&mut problems);
        self.check_references(&mut problems);
        self.check_registered(&mut problems);
        self.check_tree(&mut problems);
        problems.0
    }

    /// Checks a register, sound by itself, against the one in force; empty if it may follow.
    pub fn check_against(&self, in_force: &Register, how: RegisterChange) -> Vec<Problem> {
        let mut problems = Problems::default();
        if !how.recounted {
            self.check_default_stays(in_force, &mut problems);
            self.check_windows_stay(in_force, &mut problems);
            self.check_elections_stay(in_force, &mut problems);
            self.check_leaves_stay(in_force, &mut problems);
        }
        self.check_rolls_stay(in_force, &mut problems);
        if !how.allow_drop {
            self.check_nothing_gone(in_force, &mut problems);
        }
        problems.0
    }

    fn check_ids(&self, problems: &mut Problems) {
        let mut each = |what: &str, ids: Vec<(&str, &str)>| {
            let mut seen = HashSet::with_capacity(ids.len());
            for (scope, id) in ids {
                if !is_id(id) {
                    problems.add(format!(
                        "{what} '{id}': an id is 1 to 128 bytes of text without U+0000"
                    ));
                }
                if !seen.insert((scope, id)) {
                    let within = if scope.is_empty() {
                        String::new()
                    } else {
                        format!(" of '{scope}'")
                    };
                    problems.add(format!("{what} '{id}'{within} is there twice"));
                }
            }
        };
        let elections = self.elections.iter();
        each(
            "election",
            elections.map(|e| ("", &*e.election_id)).collect(),
        );
        let contests = self.contests.iter();
        each("contest", contests.map(|c| ("", &*c.contest_id)).collect());
        let candidates = self.candidates.iter();
        each(
            "candidate",
            candidates
                .map(|c| (&*c.contest_id, &*c.candidate_id))
                .collect(),
        );
        let locations = self.locations.iter();
        each(
            "location",
            locations.map(|l| (&*l.election_id, &*l.location)).collect(),
        );
        let mut voters = self.voters.iter();
        // Millions that are in order need not be remembered.
        if !(self.voters.is_strictly_sorted() && voters.all(|voter| is_id(&voter.voter_id))) {
            let voters = self.voters.iter();
            each(
                "voter",
                voters.map(|v| (&*v.election_id, &*v.voter_id)).collect(),
            );
        }
    }

    fn check_contests(&self, problems: &mut Problems) {
        if self.contests.is_empty() {
            problems.add("there is no contest: the register needs at least one".to_string());
        }
        let defaults: Vec<_> = self.contests.iter().filter(|c| c.is_default).collect();
        if defaults.len() > 1 {
            let names: Vec<_> = defaults.iter().map(|c| c.contest_id.as_str()).collect();
            problems.add(format!(
                "more than one contest is the default: {}; mark one",
                names.join(", ")
            ));
        }
        for contest in &self.contests {
            let id = &contest.contest_id;
            if contest.kind != "plurality" {
                problems.add(format!(
                    "contest '{id}': unknown kind '{}'; known: plurality",
                    contest.kind
                ));
            }
            if !matches!(contest.revote.as_str(), "first" | "last" | "all") {
                problems.add(format!(
                    "contest '{id}': unknown revote '{}'; known: first, last, all",
                    contest.revote
                ));
            }
            let (window_ms, slide_ms) = (contest.window_ms, contest.slide_ms);
            if !(SLIDE_MS_MIN..=SLIDE_MS_MAX).contains(&slide_ms) {
                problems.add(format!(
                    "contest '{id}': slide_ms is {slide_ms}; it is at least {SLIDE_MS_MIN} and at \
                     most {SLIDE_MS_MAX}"
                ));
            } else if window_ms < slide_ms
                || window_ms % slide_ms != 0
                || window_ms / slide_ms > SLIDES_PER_WINDOW_MAX
            {
                problems.add(format!(
                    "contest '{id}': window_ms is {window_ms}; it is a multiple of slide_ms \
                     ({slide_ms}), at most {SLIDES_PER_WINDOW_MAX} times"
                ));
            }
        }
    }

    fn check_references(&self, problems: &mut Problems) {
        let elections: HashSet<&str> = self.elections.iter().map(|e| &*e.election_id).collect();
        let contests: HashSet<&str> = self.contests.iter().map(|c| &*c.contest_id).collect();
        let mut needs_election = |what: &str, id: &str, election: &str| {
            if !elections.contains(election) {
                problems.add(format!("{what} '{id}': there is no election '{election}'"));
            }
        };
        for contest in &self.contests {
            needs_election("contest", &contest.contest_id, &contest.election_id);
        }
        for location in &self.locations {
            needs_election("location", &location.location, &location.election_id);
        }
        let has_all = |of: &BTreeMap<String, u64>| of.keys().all(|id| elections.contains(&**id));
        if !has_all(self.voters.by_election()) {
            for voter in &self.voters {
                needs_election("voter", &voter.voter_id, &voter.election_id);
            }
        }
        for candidate in &self.candidates {
            if !contests.contains(&*candidate.contest_id) {
                problems.add(format!(
                    "candidate '{}': there is no contest '{}'",
                    candidate.candidate_id, candidate.contest_id
                ));
            }
        }
    }

    fn check_registered(&self, problems: &mut Problems) {
        for location in &self.locations {
            if let Some(registered) = location.registered.filter(|count| *count > REGISTERED_MAX) {
                problems.add(format!(
                    "location '{}' of '{}': registered is {registered}; it is at most \
                     {REGISTERED_MAX}",
                    location.location, location.election_id
                ));
            }
        }
    }

    fn check_tree(&self, problems: &mut Problems) {
        let parents: HashMap<(&str, &str), Option<&str>> = self
            .locations
            .iter()
            .map(|l| ((&*l.election_id, &*l.location), l.parent.as_deref()))
            .collect();
        // A location is settled once the way up from it is known to end, or known not to.
        let mut settled: HashSet<(&str, &str)> = HashSet::new();
        for location in &self.locations {
            let election = &*location.election_id;
            let mut way = Vec::new();
            let mut on_way = HashSet::new();
            let mut at = Some(&*location.location);
            while let Some(here) = at {
                if settled.contains(&(election, here)) {
                    break;
                }
                if !on_way.insert(here) {
                    problems.add(format!(
                        "location '{here}' of '{election}' is above itself: its parents form a cycle"
                    ));
                    break;
                }
                way.push(here);
                at = match parents.get(&(election, here)) {
                    Some(parent) => *parent,
                    None => {
                        let child = way.len().checked_sub(2).map_or(here, |i| way[i]);
                        problems.add(format!(
                            "location '{child}' of '{election}': there is no parent '{here}'"
                        ));
                        way.pop();
                        None
                    }
                };
            }
            settled.extend(way.into_iter().map(|here| (election, here)));
        }
    }

    fn check_default_stays(&self, in_force: &Register, problems: &mut Problems) {
        let (was, is) = (in_force.default_contest(), self.default_contest());
        if was == is {
            return;
        }
        let named = |contest: Option<&str>| match contest {
            Some(id) => format!("'{id}'"),
            None => "none".to_string(),
        };
        problems.add(format!(
            "the default contest would change from {} to {}: it is part of what votes mean; keep \
             it, or stop the service and count anew",
            named(was),
            named(is)
        ));
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
                problems.add(format!(
                    "contest '{}': window_ms and slide_ms were {window_ms} and {slide_ms} and \
                     would be {} and {}; they stay as they are",
                    contest.contest_id, contest.window_ms, contest.slide_ms
                ));
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
                problems.add(format!(
                    "contest '{}': it belongs to election '{was}' and would move to '{}'; give \
                     the new one an id of its own",
                    contest.contest_id, contest.election_id
                ));
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
                problems.add(format!(
                    "location '{parent}' of '{election}' is a leaf and would get children; add \
                     new leaves beside it"
                ));
            }
        }
    }

    fn check_rolls_stay(&self, in_force: &Register, problems: &mut Problems) {
        let (was, is) = (roll_sizes(in_force), roll_sizes(self));
        for (election, size) in was {
            if size > 0 && is.get(election) == Some(&0) {
                problems.add(format!(
                    "election '{election}': its roll of {size} voters would become empty"
                ));
            }
        }
    }

    fn check_nothing_gone(&self, in_force: &Register, problems: &mut Problems) {
        type Keys<'a> = BTreeSet<(&'a str, &'a str)>;
        let mut gone = |what: &str, was: Keys<'_>, is: Keys<'_>| {
            for (scope, id) in was.difference(&is) {
                let within = if scope.is_empty() {
                    String::new()
                } else {
                    format!(" of '{scope}'")
                };
                problems.add(format!(
                    "{what} '{id}'{within} is gone: put it back, or start with --allow-drop to \
                     have its votes set aside"
                ));
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

/// At most this many problems are listed; a file of another kind would give one a row.
const PROBLEMS_MAX: usize = 100;

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, problem: String) {
        match self.0.len() {
            0..PROBLEMS_MAX => self.0.push(Problem(problem)),
            PROBLEMS_MAX => self.0.push(Problem("… and more".to_string())),
            _ => {}
        }
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
            let size = voters.get(&election.election_id);
            (&*election.election_id, size.copied().unwrap_or(0))
        })
        .collect()
}
