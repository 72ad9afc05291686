//! What makes a register refused by itself.

use std::collections::{HashMap, HashSet};

use super::problem::{List, Problem, Problems, RowName, quoted};
use super::{
    ID_BYTES_MAX, REGISTERED_MAX, Register, SLIDE_MS_MAX, SLIDE_MS_MIN, SLIDES_PER_WINDOW_MAX,
    is_date, is_id,
};

impl Register {
    /// Checks a register by itself; empty if it may be used. In time about linear in its size.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.check_ids(&mut problems);
        self.check_contests(&mut problems);
        self.check_dates(&mut problems);
        self.check_references(&mut problems);
        self.check_registered(&mut problems);
        self.check_tree(&mut problems);
        self.voters.check(&self.elections, &mut problems);
        problems.finish()
    }

    fn check_ids(&self, problems: &mut Problems) {
        let elections = self.elections.iter();
        let contests = self.contests.iter();
        let candidates = self.candidates.iter();
        let locations = self.locations.iter();
        check_keys(
            List::Elections,
            elections.map(|row| (&*row.election_id, None)),
            problems,
        );
        check_keys(
            List::Contests,
            contests.map(|row| (&*row.contest_id, None)),
            problems,
        );
        check_keys(
            List::Candidates,
            candidates.map(|row| (&*row.candidate_id, Some(&*row.contest_id))),
            problems,
        );
        check_keys(
            List::Locations,
            locations.map(|row| (&*row.location, Some(&*row.election_id))),
            problems,
        );
    }

    fn check_contests(&self, problems: &mut Problems) {
        if self.contests.is_empty() {
            problems.add(("no contest", ""), || {
                "there is no contest: the register needs at least one".to_string()
            });
        }
        let defaults = || self.contests.iter().filter(|contest| contest.is_default);
        if defaults().count() > 1 {
            problems.add(("defaults", ""), || {
                let names = defaults().take(DEFAULTS_NAMED_MAX);
                let names: Vec<_> = names.map(|contest| quoted(&contest.contest_id)).collect();
                let more = if defaults().nth(DEFAULTS_NAMED_MAX).is_some() {
                    " and more"
                } else {
                    ""
                };
                let names = names.join(", ");
                format!("more than one contest is the default: {names}{more}; mark one")
            });
        }
        for at in 0..self.contests.len() {
            self.check_words(at, problems);
            self.check_window(at, problems);
            self.check_hours(at, problems);
        }
    }

    fn check_words(&self, at: usize, problems: &mut Problems) {
        let contest = &self.contests[at];
        let words = [
            ("kind", &contest.kind, KINDS),
            ("revote", &contest.revote, REVOTES),
        ];
        for (field, word, known) in words {
            if !known.contains(&word.as_str()) {
                let known = known.join(", ");
                let public = format!(", {field}: the word is not known; known: {known}");
                let full = format!(": unknown {field} {}; known: {known}", quoted(word));
                problems.row_with(("word", field), self.contest(at), public, full);
            }
        }
    }

    fn check_window(&self, at: usize, problems: &mut Problems) {
        let contest = &self.contests[at];
        let (window_ms, slide_ms) = (contest.window_ms, contest.slide_ms);
        if !(SLIDE_MS_MIN..=SLIDE_MS_MAX).contains(&slide_ms) {
            let text = format!(
                ": slide_ms is {slide_ms}; it is at least {SLIDE_MS_MIN} and at most {SLIDE_MS_MAX}"
            );
            problems.row(("slide", ""), self.contest(at), text);
        } else if window_ms < slide_ms
            || window_ms % slide_ms != 0
            || window_ms / slide_ms > SLIDES_PER_WINDOW_MAX
        {
            let text = format!(
                ": window_ms is {window_ms}; it is a multiple of slide_ms ({slide_ms}), at most \
                 {SLIDES_PER_WINDOW_MAX} times"
            );
            problems.row(("window", ""), self.contest(at), text);
        }
    }

    fn check_hours(&self, at: usize, problems: &mut Problems) {
        let contest = &self.contests[at];
        if let (Some(opens), Some(closes)) = (contest.opens_at, contest.closes_at)
            && closes <= opens
        {
            let text = ": closes_at is not after opens_at, so no vote could count; put it after, \
                        or leave one of them out";
            problems.row(("hours", ""), self.contest(at), text);
        }
    }

    fn contest(&self, at: usize) -> RowName<'_> {
        RowName {
            list: List::Contests,
            at,
            key: Some((&self.contests[at].contest_id, None)),
        }
    }

    pub(super) fn location(&self, at: usize) -> RowName<'_> {
        let row = &self.locations[at];
        RowName {
            list: List::Locations,
            at,
            key: Some((&row.location, Some(&row.election_id))),
        }
    }

    fn check_dates(&self, problems: &mut Problems) {
        for (at, election) in self.elections.iter().enumerate() {
            let Some(date) = election.date.as_deref().filter(|date| !is_date(date)) else {
                continue;
            };
            let row = RowName {
                list: List::Elections,
                at,
                key: Some((&election.election_id, None)),
            };
            let public = ", date: it is no day; write it as 2013-11-03";
            let full = format!("{public}, not as {}", quoted(date));
            problems.row_with(("date", "elections"), row, public, full);
        }
    }

    fn check_references(&self, problems: &mut Problems) {
        let elections: HashSet<&str> = self.elections.iter().map(|e| &*e.election_id).collect();
        let contests: HashSet<&str> = self.contests.iter().map(|c| &*c.contest_id).collect();
        let no_election = |id: &str| format!(": there is no election {}", quoted(id));
        for (at, contest) in self.contests.iter().enumerate() {
            if !elections.contains(&*contest.election_id) {
                let text = no_election(&contest.election_id);
                problems.row(("no election", "contests"), self.contest(at), text);
            }
        }
        for (at, location) in self.locations.iter().enumerate() {
            if !elections.contains(&*location.election_id) {
                let text = no_election(&location.election_id);
                problems.row(("no election", "locations"), self.location(at), text);
            }
        }
        for (at, candidate) in self.candidates.iter().enumerate() {
            if !contests.contains(&*candidate.contest_id) {
                let row = RowName {
                    list: List::Candidates,
                    at,
                    key: Some((&candidate.candidate_id, Some(&candidate.contest_id))),
                };
                let public = ", contest_id: there is no such contest";
                let full = format!(": there is no contest {}", quoted(&candidate.contest_id));
                problems.row_with(("no contest", "candidates"), row, public, full);
            }
        }
    }

    fn check_registered(&self, problems: &mut Problems) {
        for (at, location) in self.locations.iter().enumerate() {
            if let Some(registered) = location.registered.filter(|count| *count > REGISTERED_MAX) {
                let text = format!(": registered is {registered}; it is at most {REGISTERED_MAX}");
                problems.row(("registered", ""), self.location(at), text);
            }
        }
    }
}

/// The counting rules that are known.
const KINDS: &[&str] = &["plurality"];

/// Which of a voter's casts can count.
const REVOTES: &[&str] = &["first", "last", "all"];

/// So many of several default contests are named.
const DEFAULTS_NAMED_MAX: usize = 20;

/// Whether the ids of a list are ids, and each is there once within what it is an id of.
fn check_keys<'a>(
    list: List,
    keys: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    problems: &mut Problems,
) {
    let mut seen = HashMap::with_capacity(keys.size_hint().0);
    for (at, key) in keys.enumerate() {
        let row = RowName {
            list,
            at,
            key: Some(key),
        };
        if !is_id(key.0) {
            let text = format!(": an id is 1 to {ID_BYTES_MAX} bytes of text without U+0000");
            problems.row(("id", list.name()), row, text);
        }
        if let Some(first) = seen.insert(key, at) {
            // The first place is the one that stays.
            seen.insert(key, first);
            let text = format!(" is there twice, first in {}[{first}]", list.name());
            problems.row(("twice", list.name()), row, text);
        }
    }
}
