//! Rows of any source become a register, or all that is wrong with them.
//!
//! Comes in: the rows of each list, in any order of the lists. Goes out: a register that is sound
//! by itself, its voters as keyed hashes; or every problem. Names and addresses of voters are
//! looked at and forgotten, unless they are asked for, which is for who moves a register from one
//! place to another.

use std::collections::BTreeSet;

use dataflow::hash::KeyedHash;
use dataflow::register::{
    Candidate, Contest, Election, List, Location, Problem, Problems, Register, RollReader, Voters,
    thousands,
};
use serde::Serialize;

use super::row::{Ends, Fields, Row};

/// So many names that are not known are said.
const UNKNOWN_MAX: usize = 20;

/// A row of `voters` with all that it says of a person.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Person {
    voter_id: String,
    election_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

/// The most rows of a list. Above what there is in any land (some 50,000 electoral contests, 1.2
/// million polling stations, a thousand million voters, who want a database of their own), and
/// low enough that a wrong file fills no memory.
fn rows_max(list: List) -> usize {
    match list {
        List::Elections | List::Contests => 100_000,
        List::Candidates | List::Locations => 2_000_000,
        List::Voters => 100_000_000,
    }
}

/// Takes rows.
pub(super) struct Reading {
    register: Register,
    roll: Option<RollReader>,
    people: Option<Vec<Person>>,
    /// How many rows of each list there were.
    rows: [usize; List::ALL.len()],
    problems: Problems,
    /// Whether a row is left out, so that others may miss it.
    left_out: bool,
    unknown: BTreeSet<String>,
}

impl Reading {
    /// Nothing yet; voters are hashed under this key.
    pub(super) fn new(hash: KeyedHash) -> Reading {
        Reading {
            register: Register::default(),
            roll: Some(RollReader::new(hash)),
            people: None,
            rows: Default::default(),
            problems: Problems::default(),
            left_out: false,
            unknown: BTreeSet::new(),
        }
    }

    /// Keeps the rows of voters whole, for one who moves them.
    pub(super) fn with_people(mut self) -> Reading {
        self.people = Some(Vec::new());
        self
    }

    /// What is wrong with the source as a whole.
    pub(super) fn wrong(&mut self, kind: &'static str, text: impl FnOnce() -> String) {
        self.left_out = true;
        self.problems.add(("source", kind), text);
    }

    /// Notes a list, or a name of one, that is not known.
    pub(super) fn unknown(&mut self, name: &str) {
        if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(name) {
            self.unknown.insert(name.to_string());
        }
    }

    /// What stands in a list and is no row.
    pub(super) fn no_row(&mut self, list: List, words: &str) {
        if let Some(at) = self.next(list) {
            let list = list.name();
            self.wrong(list, || {
                format!("{list}[{at}]: it is {words}, not a row of named fields")
            });
        }
    }

    /// The number of the next row of a list, if it may have one more.
    fn next(&mut self, list: List) -> Option<usize> {
        let at = self.rows[list as usize];
        self.rows[list as usize] += 1;
        let max = rows_max(list);
        if at == max {
            self.wrong("long", || {
                format!("'{}' has more than {} rows", list.name(), thousands(max))
            });
        }
        (at < max).then_some(at)
    }

    /// Whether no more rows of a list are looked at.
    pub(super) fn is_full(&self, list: List) -> bool {
        self.rows[list as usize] > rows_max(list)
    }

    /// A voter of whom nothing but the ids is read.
    pub(super) fn voter(&mut self, election_id: &str, voter_id: &str) {
        if self.next(List::Voters).is_some() {
            self.push(election_id, voter_id);
        }
    }

    /// The next row of a list.
    pub(super) fn row(&mut self, list: List, row: Row<'_>) {
        let Some(at) = self.next(list) else {
            return;
        };
        let names: Vec<String> = row
            .unknown()
            .map(|it| format!("{}.{it}", list.name()))
            .collect();
        names.iter().for_each(|name| self.unknown(name));
        let mut problems = std::mem::take(&mut self.problems);
        let mut fields = Fields::new(row, at, &mut problems);
        let taken = match list {
            List::Elections => self.election(&mut fields),
            List::Contests => self.contest(&mut fields),
            List::Candidates => self.candidate(&mut fields),
            List::Locations => self.location(&mut fields),
            List::Voters => self.person(&mut fields),
        };
        // A voter that cannot be read would shift the numbers of those after it.
        let failed = fields.failed() && list == List::Voters;
        self.problems = problems;
        self.left_out |= taken.is_none() || failed;
    }

    fn election(&mut self, fields: &mut Fields<'_, '_>) -> Option<()> {
        let election_id = fields.id("election_id");
        fields.key(election_id.as_deref(), None);
        let election = Election {
            name: fields.text("name"),
            date: fields.date("date"),
            test: fields.flag("test"),
            roll: fields.flag("roll"),
            geojson_url: fields.text("geojson_url"),
            geojson_property: fields.text("geojson_property"),
            time_zone: fields.time_zone("time_zone"),
            election_id: election_id?.into_owned(),
        };
        self.register.elections.push(election);
        Some(())
    }

    fn contest(&mut self, fields: &mut Fields<'_, '_>) -> Option<()> {
        let contest_id = fields.id("contest_id");
        fields.key(contest_id.as_deref(), None);
        let election_id = fields.id("election_id");
        let mut contest = Contest {
            name: fields.text("name"),
            is_default: fields.flag("is_default"),
            opens_at: fields.instant("opens_at", Ends::Opens),
            closes_at: fields.instant("closes_at", Ends::Closes),
            ..Contest::default()
        };
        contest.kind = fields.text("kind").unwrap_or(contest.kind);
        contest.revote = fields.text("revote").unwrap_or(contest.revote);
        let (window_ms, slide_ms) = (fields.integer("window_ms"), fields.integer("slide_ms"));
        // Of two that are judged together one alone says nothing.
        if !fields.failed() {
            contest.window_ms = window_ms.unwrap_or(contest.window_ms);
            contest.slide_ms = slide_ms.unwrap_or(contest.slide_ms);
        }
        (contest.contest_id, contest.election_id) =
            (contest_id?.into_owned(), election_id?.into_owned());
        self.register.contests.push(contest);
        Some(())
    }

    fn candidate(&mut self, fields: &mut Fields<'_, '_>) -> Option<()> {
        let contest_id = fields.id("contest_id");
        let candidate_id = fields.id("candidate_id");
        fields.key(candidate_id.as_deref(), contest_id.as_deref());
        let candidate = Candidate {
            candidate_name: fields.text("candidate_name"),
            short_name: fields.text("short_name"),
            party: fields.text("party"),
            biography: fields.text("biography"),
            campaign_promises: fields.text("campaign_promises"),
            photo_url: fields.text("photo_url"),
            color: fields.text("color"),
            position: fields.integer("position"),
            withdrawn_at: fields.instant("withdrawn_at", Ends::Since),
            contest_id: contest_id?.into_owned(),
            candidate_id: candidate_id?.into_owned(),
        };
        self.register.candidates.push(candidate);
        Some(())
    }

    fn location(&mut self, fields: &mut Fields<'_, '_>) -> Option<()> {
        let election_id = fields.id("election_id");
        let location = fields.id("location");
        fields.key(location.as_deref(), election_id.as_deref());
        let location = Location {
            name: fields.text("name"),
            parent: fields.optional_id("parent").map(|id| id.into_owned()),
            registered: fields.count("registered"),
            election_id: election_id?.into_owned(),
            location: location?.into_owned(),
        };
        self.register.locations.push(location);
        Some(())
    }

    fn person(&mut self, fields: &mut Fields<'_, '_>) -> Option<()> {
        let voter_id = fields.id("voter_id");
        let election_id = fields.id("election_id");
        let (name, email) = (fields.text("name"), fields.text("email"));
        let registration_date = fields.date("registration_date");
        let location = fields.optional_id("location");
        let (voter_id, election_id) = (voter_id?, election_id?);
        self.push(&election_id, &voter_id);
        if let Some(people) = &mut self.people {
            people.push(Person {
                name,
                email,
                registration_date,
                location: location.map(|id| id.into_owned()),
                voter_id: voter_id.into_owned(),
                election_id: election_id.into_owned(),
            });
        }
        Some(())
    }

    fn push(&mut self, election_id: &str, voter_id: &str) {
        if let Some(roll) = &mut self.roll {
            roll.push(election_id, voter_id);
        }
    }

    /// The elections that have a roll, of those that were read.
    pub(super) fn elections_with_roll(&self) -> BTreeSet<String> {
        let elections = self.register.elections.iter();
        let elections = elections.filter(|election| election.roll);
        elections
            .map(|election| election.election_id.clone())
            .collect()
    }

    /// The roll, once all elections and voters are read; `None` if not all of them could be.
    pub(super) fn roll(&mut self) -> Option<Voters> {
        if let Some(roll) = self.roll.take() {
            let elections = &self.register.elections;
            self.register.voters = roll.finish(elections, &mut self.problems);
        }
        (!self.left_out).then(|| self.register.voters.clone())
    }

    /// Takes a roll that is known, in the place of rows of voters.
    pub(super) fn set_roll(&mut self, roll: Voters) {
        self.roll = None;
        self.register.voters = roll;
    }

    /// What could be read, unchecked.
    pub(super) fn unchecked(mut self) -> Register {
        let _ = self.roll();
        self.register
    }

    /// A register that is sound by itself, or all that is wrong with it; `from` is for the log.
    pub(super) fn finish(mut self, from: &str) -> Result<Read, Wrong> {
        for unknown in &self.unknown {
            tracing::warn!(register = from, "'{unknown}' is not known and is ignored");
        }
        if self.left_out {
            // What others miss of what is left out is no fault of theirs.
            return Err(Wrong::Unread(self.problems.finish()));
        }
        let _ = self.roll();
        let is_read = self.problems.is_empty();
        let mut problems = self.problems.finish();
        problems.extend(self.register.check());
        if problems.is_empty() {
            let (register, people) = (self.register, self.people.unwrap_or_default());
            Ok(Read { register, people })
        } else if is_read {
            Err(Wrong::Unsound(problems))
        } else {
            Err(Wrong::Unread(problems))
        }
    }
}

/// A register that was read.
#[derive(Debug)]
pub(super) struct Read {
    /// Sound by itself.
    pub(super) register: Register,
    /// The rows of its voters, where they were asked for.
    pub(super) people: Vec<Person>,
}

/// Why rows are no register.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Not all could be read.
    Unread(Vec<Problem>),
    /// What was read may not be used.
    Unsound(Vec<Problem>),
}
