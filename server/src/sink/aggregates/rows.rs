//! A snapshot's rows as messages of the two topics: keys and values, no IO.
//!
//! Keys and fields are a contract: other services read them.

use std::collections::HashMap;

use dataflow::answer::{CandidateRow, LocationRow};
use dataflow::view::{ContestChange, Parent, Snapshot, Unknown, Views};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

/// One of the two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Votes by candidate.
    Candidates,
    /// Turnout by location.
    Turnout,
}

/// A row as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it goes.
    pub topic: Topic,
    /// Its key.
    pub key: Box<[u8]>,
    /// Its value as JSON.
    pub value: Vec<u8>,
    /// A hash of the value without its tick: a row that differs in nothing else has not changed.
    pub hash: u128,
}

impl Topic {
    /// Both.
    pub const ALL: [Topic; 2] = [Topic::Candidates, Topic::Turnout];

    /// As Kafka knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Candidates => "aggregated_votes_per_candidate",
            Topic::Turnout => "aggregated_turnout_by_location",
        }
    }
}

/// The value of a candidate's row.
#[derive(Serialize)]
struct CandidateFields<'a> {
    contest_id: &'a str,
    candidate_id: &'a str,
    candidate_name: &'a str,
    party: Option<&'a str>,
    photo_url: Option<&'a str>,
    campaign_promises: Option<&'a str>,
    total_votes: u64,
    rank: u64,
}

/// The value of a location's row.
#[derive(Serialize)]
struct TurnoutFields<'a> {
    contest_id: &'a str,
    location: &'a str,
    name: &'a str,
    votes: Option<u64>,
    registered: Option<u64>,
    turnout: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    suppressed: bool,
}

/// Fields with the tick that they are of.
#[derive(Serialize)]
struct Stamped<'a, F> {
    #[serde(flatten)]
    fields: &'a F,
    tick: u64,
}

/// All rows of a contest.
pub fn all(snapshot: &Snapshot, contest: &str) -> Result<Vec<Row>, Unknown> {
    let candidates = snapshot.results(contest)?.candidates;
    let locations = snapshot.locations(contest, Parent::Any)?.locations;
    Ok(rows(snapshot, contest, &candidates, &locations))
}

/// The rows of a contest that a change names. Those that went are not among them.
pub fn changed(
    snapshot: &Snapshot,
    contest: &str,
    change: &ContestChange,
) -> Result<Vec<Row>, Unknown> {
    let change = snapshot.stream_change(contest, change, Views::ALL)?;
    let candidates = &change.results.candidates;
    Ok(rows(snapshot, contest, candidates, &change.locations))
}

fn rows(
    snapshot: &Snapshot,
    contest: &str,
    candidates: &[CandidateRow],
    locations: &[LocationRow],
) -> Vec<Row> {
    let tick = snapshot.tick();
    let promises = promises(snapshot, contest);
    let candidates = candidates.iter().map(|row| {
        let promised = promises.get(row.candidate_id.as_str()).copied();
        candidate_row(contest, row, promised, tick)
    });
    let locations = locations.iter().map(|row| location_row(contest, row, tick));
    candidates.chain(locations).collect()
}

fn candidate_row(contest: &str, row: &CandidateRow, promises: Option<&str>, tick: u64) -> Row {
    let fields = CandidateFields {
        contest_id: contest,
        candidate_id: &row.candidate_id,
        candidate_name: &row.candidate_name,
        party: row.party.as_deref(),
        photo_url: row.photo_url.as_deref(),
        campaign_promises: promises,
        total_votes: row.votes,
        rank: row.rank,
    };
    row_of(
        Topic::Candidates,
        key(contest, &row.candidate_id),
        &fields,
        tick,
    )
}

fn location_row(contest: &str, row: &LocationRow, tick: u64) -> Row {
    let fields = TurnoutFields {
        contest_id: contest,
        location: &row.location,
        name: &row.name,
        votes: (!row.suppressed).then_some(row.accepted),
        registered: row.registered,
        turnout: row.turnout,
        suppressed: row.suppressed,
    };
    row_of(Topic::Turnout, key(contest, &row.location), &fields, tick)
}

/// What each candidate of a contest promises: the one field that no answer about votes has.
fn promises<'a>(snapshot: &'a Snapshot, contest: &str) -> HashMap<&'a str, &'a str> {
    let directory = snapshot.directory();
    let number = directory.contests.number(contest);
    let line_up = number.and_then(|number| directory.line_ups.get(&number));
    let rows = line_up.into_iter().flatten();
    let rows = rows.map(|(_, row)| &directory.register.candidates[*row]);
    rows.filter_map(|row| Some((row.candidate_id.as_str(), row.campaign_promises.as_deref()?)))
        .collect()
}

fn row_of<F: Serialize>(topic: Topic, key: Box<[u8]>, fields: &F, tick: u64) -> Row {
    let json = |value: serde_json::Result<Vec<u8>>| value.expect("rows are plain data");
    Row {
        topic,
        key,
        hash: xxh3_128(&json(serde_json::to_vec(fields))),
        value: json(serde_json::to_vec(&Stamped { fields, tick })),
    }
}

/// `contest/id`, where both may hold anything: `/` and `%` are percent-encoded in each.
fn key(contest: &str, id: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(contest.len() + id.len() + 1);
    encode(contest, &mut key);
    key.push(b'/');
    encode(id, &mut key);
    key.into()
}

fn encode(id: &str, into: &mut Vec<u8>) {
    for byte in id.bytes() {
        match byte {
            b'/' => into.extend_from_slice(b"%2F"),
            b'%' => into.extend_from_slice(b"%25"),
            byte => into.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_whatever_the_ids_hold() {
        for (contest, id, expected) in [
            ("mayor", "coderre", "mayor/coderre"),
            ("a/b", "c", "a%2Fb/c"),
            ("a", "b/c", "a/b%2Fc"),
            ("a%2Fb", "100 %", "a%252Fb/100 %25"),
            ("é", "Ω", "é/Ω"),
        ] {
            assert_eq!(&*key(contest, id), expected.as_bytes());
        }
    }

    #[test]
    fn only_the_tick_does_not_make_another_row() {
        let row = |votes, tick| {
            let row = LocationRow {
                location: "n1".to_string(),
                name: "North 1".to_string(),
                parent: None,
                leaf: true,
                registered: Some(400),
                suppressed: false,
                accepted: votes,
                blank: 0,
                turnout: Some(votes as f64 / 400.0),
                leader: None,
                votes: Default::default(),
            };
            location_row("chair", &row, tick)
        };
        assert_eq!(row(100, 7).hash, row(100, 8).hash);
        assert_ne!(row(100, 7).hash, row(101, 7).hash);
        let value = String::from_utf8(row(100, 7).value).expect("it is JSON");
        assert_eq!(
            value,
            r#"{"contest_id":"chair","location":"n1","name":"North 1","votes":100,"registered":400,"turnout":0.25,"tick":7}"#
        );
    }
}
