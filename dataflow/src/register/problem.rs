//! Reasons to refuse a register: what everybody may read of each, and what its operator may.
//!
//! Every fault is named, not only the first, so that an operator mends a register once; but of
//! one kind only so many, since a file of another form has one a row. Of a row of voters nobody
//! reads more than its number: not its ids either. A candidate's key is for everybody only once
//! the register in force has it.

use std::collections::HashMap;
use std::fmt;

use super::Register;

/// So many problems of one kind are said one by one.
const OF_ONE_KIND_MAX: usize = 20;

/// So many characters of a text from a register are shown.
const QUOTED_CHARS_MAX: usize = 130;

/// A list of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// `elections`
    Elections,
    /// `contests`
    Contests,
    /// `candidates`
    Candidates,
    /// `locations`
    Locations,
    /// `voters`
    Voters,
}

impl List {
    /// All of them, those that others name first.
    pub const ALL: [List; 5] = [
        List::Elections,
        List::Contests,
        List::Candidates,
        List::Locations,
        List::Voters,
    ];

    /// Its name, also that of the table.
    pub fn name(self) -> &'static str {
        match self {
            List::Elections => "elections",
            List::Contests => "contests",
            List::Candidates => "candidates",
            List::Locations => "locations",
            List::Voters => "voters",
        }
    }

    /// What one row of it is.
    fn row(self) -> &'static str {
        match self {
            List::Elections => "election",
            List::Contests => "contest",
            List::Candidates => "candidate",
            List::Locations => "location",
            List::Voters => "voter",
        }
    }
}

/// A row, as sentences name it: by its number, from 0, and by its key, where that is known.
#[derive(Clone, Copy, Debug)]
pub struct RowName<'a> {
    /// The list.
    pub list: List,
    /// The place in it.
    pub at: usize,
    /// The id, and what it is an id within (the contest of a candidate, the election of a
    /// location).
    pub key: Option<(&'a str, Option<&'a str>)>,
}

impl RowName<'_> {
    fn number(&self) -> String {
        format!("{}[{}]", self.list.name(), self.at)
    }

    fn full(&self) -> String {
        let number = self.number();
        match self.key {
            Some((id, within)) if self.list != List::Voters => {
                let within = within.map(|id| format!(" of {}", quoted(id)));
                let row = self.list.row();
                format!(
                    "{row} {}{} ({number})",
                    quoted(id),
                    within.unwrap_or_default()
                )
            }
            _ => number,
        }
    }

    fn public(&self) -> String {
        match self.list {
            List::Candidates | List::Voters => self.number(),
            _ => self.full(),
        }
    }

    /// The candidate, if it is one with a key.
    fn candidate(&self) -> Option<(String, String)> {
        match (self.list, self.key) {
            (List::Candidates, Some((id, Some(contest)))) => {
                Some((contest.to_string(), id.to_string()))
            }
            _ => None,
        }
    }
}

/// A text of a register in quotes, no longer than one reads.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}

/// One reason to refuse a register, as a sentence; its `Display` is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    public: String,
    full: String,
    /// The contest and the id of the candidate that `full` names.
    candidate: Option<(String, String)>,
}

impl Problem {
    /// For everybody, under the register that they know.
    pub fn public(&self, in_force: &Register) -> &str {
        let is_known = |(contest, id): &(String, String)| {
            let mut candidates = in_force.candidates.iter();
            candidates.any(|row| row.contest_id == *contest && row.candidate_id == *id)
        };
        match &self.candidate {
            Some(candidate) if is_known(candidate) => &self.full,
            _ => &self.public,
        }
    }

    /// For the operator.
    pub fn full(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// What is wrong, and where: problems of one kind are said so often and then counted.
pub type Kind = (&'static str, &'static str);

/// Collects problems by kind.
#[derive(Debug, Default)]
pub struct Problems {
    /// Of each kind in the order of their first, the problems and how many there are.
    kinds: Vec<(Vec<Problem>, usize)>,
    places: HashMap<Kind, usize>,
}

impl Problems {
    /// Adds one that everybody may read.
    pub fn add(&mut self, kind: Kind, text: impl FnOnce() -> String) {
        self.push(kind, || {
            let text = text();
            Problem {
                public: text.clone(),
                full: text,
                candidate: None,
            }
        });
    }

    /// Adds one of a row: what is wrong with it, such as `", closes_at: it is no instant"`.
    pub fn row(&mut self, kind: Kind, row: RowName<'_>, text: impl fmt::Display) {
        self.row_with(kind, row, &text, &text);
    }

    /// The same where the operator may read more.
    pub fn row_with(
        &mut self,
        kind: Kind,
        row: RowName<'_>,
        public: impl fmt::Display,
        full: impl fmt::Display,
    ) {
        self.push(kind, || Problem {
            public: format!("{}{public}", row.public()),
            full: match row.list {
                List::Voters => format!("{}{public}", row.full()),
                _ => format!("{}{full}", row.full()),
            },
            candidate: row.candidate(),
        });
    }

    fn push(&mut self, kind: Kind, problem: impl FnOnce() -> Problem) {
        let kinds = &mut self.kinds;
        let place = *self.places.entry(kind).or_insert_with(|| {
            kinds.push((Vec::new(), 0));
            kinds.len() - 1
        });
        let (problems, count) = &mut kinds[place];
        *count += 1;
        if problems.len() < OF_ONE_KIND_MAX {
            problems.push(problem());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// All of them, those of one kind together.
    pub fn finish(self) -> Vec<Problem> {
        let mut all = Vec::new();
        for (problems, count) in self.kinds {
            let more = count - problems.len();
            all.extend(problems);
            if more > 0 {
                let text = format!("and {} more like these", thousands(more));
                all.push(Problem {
                    public: text.clone(),
                    full: text,
                    candidate: None,
                });
            }
        }
        all
    }
}

/// A number as people write it: 1,234.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = ("test", "");

    fn row<'a>(list: List, key: (&'a str, Option<&'a str>)) -> RowName<'a> {
        RowName {
            list,
            at: 3,
            key: Some(key),
        }
    }

    fn only(row: RowName<'_>) -> Problem {
        let mut problems = Problems::default();
        problems.row_with(KIND, row, ": wrong", ": wrong 'x'");
        problems.finish().remove(0)
    }

    #[test]
    fn who_reads_what_of_a_row() {
        let none = Register::default();
        let location = only(row(List::Locations, ("x", Some("e"))));
        assert_eq!(
            location.public(&none),
            "location 'x' of 'e' (locations[3]): wrong"
        );
        assert_eq!(
            location.full(),
            "location 'x' of 'e' (locations[3]): wrong 'x'"
        );
        let voter = only(row(List::Voters, ("ada", Some("e"))));
        assert_eq!(voter.public(&none), "voters[3]: wrong");
        assert_eq!(voter.full(), "voters[3]: wrong");
        let candidate = only(row(List::Candidates, ("ann", Some("m"))));
        assert_eq!(candidate.public(&none), "candidates[3]: wrong");
        assert_eq!(
            candidate.full(),
            "candidate 'ann' of 'm' (candidates[3]): wrong 'x'"
        );
        let mut known = Register::default();
        known.candidates.push(crate::register::Candidate {
            contest_id: "m".to_string(),
            candidate_id: "ann".to_string(),
            ..Default::default()
        });
        assert_eq!(candidate.public(&known), candidate.full());
    }

    #[test]
    fn those_of_one_kind_are_counted_after_the_first() {
        let mut problems = Problems::default();
        for number in 0..1254 {
            problems.add(KIND, || format!("number {number}"));
        }
        problems.add(("other", ""), || "alone".to_string());
        let texts: Vec<String> = problems.finish().iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 22);
        assert_eq!(
            texts[19..],
            ["number 19", "and 1,234 more like these", "alone"]
        );
    }

    #[test]
    fn what_is_quoted_is_short() {
        assert_eq!(quoted("é"), "'é'");
        let long = quoted(&"é".repeat(1000));
        assert_eq!(long.chars().count(), QUOTED_CHARS_MAX + 3);
    }
}
