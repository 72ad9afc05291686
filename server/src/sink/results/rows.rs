//! A snapshot's rows as JSON objects whose fields are columns; no IO.

use dataflow::answer::{CandidateRow, LocationRow, WindowRow};
use dataflow::view::{ContestChange, Parent, Snapshot, Unknown, Views, WINDOWS_MAX};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

/// One of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Votes by candidate.
    Candidates,
    /// Ballots by location.
    Locations,
    /// Ballots by window.
    Windows,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 3] = [Table::Candidates, Table::Locations, Table::Windows];

    /// As the database knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Candidates => "candidate_results",
            Table::Locations => "location_results",
            Table::Windows => "window_results",
        }
    }

    /// What tells rows of one contest apart.
    pub const fn key(self) -> &'static str {
        match self {
            Table::Candidates => "candidate_id",
            Table::Locations => "location",
            Table::Windows => "start",
        }
    }

    /// The columns beside contest, key and tick.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Table::Candidates => &[
                "candidate_name",
                "party",
                "votes",
                "share",
                "rank",
                "withdrawn",
            ],
            Table::Locations => &[
                "name",
                "parent",
                "leaf",
                "registered",
                "accepted",
                "blank",
                "turnout",
                "leader",
                "votes",
            ],
            Table::Windows => &["end", "final", "accepted", "blank", "late", "votes"],
        }
    }
}

/// Contest and the key in it.
pub type Key = (String, String);

/// A row as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it goes.
    pub table: Table,
    /// What tells it from others there.
    pub key: Key,
    /// A JSON object.
    pub json: String,
    /// A hash of it without its tick: a row that differs in nothing else has not changed.
    pub hash: u128,
}

/// An answer's row with the contest that it is of.
#[derive(Serialize)]
struct OfContest<'a, R> {
    contest_id: &'a str,
    #[serde(flatten)]
    row: &'a R,
}

/// All rows of a contest.
pub fn all(snapshot: &Snapshot, contest: &str) -> Result<Vec<Row>, Unknown> {
    let candidates = snapshot.results(contest)?.candidates;
    let locations = snapshot.locations(contest, Parent::Any)?.locations;
    rows(snapshot, contest, &candidates, &locations)
}

/// The rows of a contest that a change names, and its windows, of which a change names the newest
/// only.
pub fn changed(
    snapshot: &Snapshot,
    contest: &str,
    change: &ContestChange,
) -> Result<Vec<Row>, Unknown> {
    let change = snapshot.stream_change(contest, change, Views::ALL)?;
    let candidates = &change.results.candidates;
    rows(snapshot, contest, candidates, &change.locations)
}

fn rows(
    snapshot: &Snapshot,
    contest: &str,
    candidates: &[CandidateRow],
    locations: &[LocationRow],
) -> Result<Vec<Row>, Unknown> {
    let mut windows = snapshot.windows(contest, WINDOWS_MAX)?.windows;
    for window in &mut windows {
        for instant in [&mut window.start, &mut window.end] {
            if let Some(other) = beyond_four_digits(instant) {
                *instant = other;
            }
        }
    }
    let candidates = candidates
        .iter()
        .map(|row| row_of(Table::Candidates, contest, &row.candidate_id, row));
    let locations = locations
        .iter()
        .map(|row| row_of(Table::Locations, contest, &row.location, row));
    let windows = windows
        .iter()
        .map(|row: &WindowRow| row_of(Table::Windows, contest, &row.start, row));
    Ok(candidates.chain(locations).chain(windows).collect())
}

fn row_of<R: Serialize>(table: Table, contest: &str, key: &str, row: &R) -> Row {
    let row = OfContest {
        contest_id: contest,
        row,
    };
    let json = serde_json::to_string(&row).expect("rows are plain data");
    Row {
        table,
        key: (contest.to_string(), key.to_string()),
        hash: xxh3_128(json.as_bytes()),
        json: without_nul(json),
    }
}

/// PostgreSQL's form of an instant before the year 1 or after 9999, where a window of a ballot at
/// the end of time may begin or end.
fn beyond_four_digits(instant: &str) -> Option<String> {
    if let Some(rest) = instant.strip_prefix("0000-") {
        // The year before 1 is 1 BC.
        return Some(format!("0001-{rest} BC"));
    }
    instant.strip_prefix("+0").map(str::to_string)
}

/// PostgreSQL's text has no U+0000, which a name may hold: U+FFFD in its place.
fn without_nul(json: String) -> String {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return json;
    }
    let mut clean = String::with_capacity(json.len());
    let mut rest = json.as_str();
    // A backslash and what follows it are one character.
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        clean.push_str(before);
        let taken = if escape.starts_with(NUL) {
            clean.push_str("\\ufffd");
            NUL.len()
        } else {
            clean.push_str(&escape[..2]);
            2
        };
        rest = &escape[taken..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_replaced_and_a_backslash_before_u0000_is_not() {
        for text in ["a\0b", "a\\u0000b", "\\\0", "\0\\\"\0", "plain"] {
            let json = serde_json::to_string(text).expect("it is text");
            let clean: String = serde_json::from_str(&without_nul(json)).expect("it is JSON");
            assert_eq!(clean, text.replace('\0', "\u{fffd}"));
        }
    }
}
