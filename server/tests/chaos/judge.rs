//! The end of a seed: what the service says beside a recount of what is in the topics.
//!
//! In come messages with their places, the register in force at the end and the service's answers;
//! out go objections in words, none if everything is right. Asks nobody: reading and asking are
//! done before.

use std::collections::{BTreeMap, HashSet};

use dataflow::register::Register;
use serde_json::{Value as Json, json};

use crate::difference::{differences, equal};
use crate::oracle::{self, Log, Message, Settings, message};
use crate::topic::Found;

/// What there is to judge by.
pub struct Trial<'a> {
    /// The topic of the votes.
    pub topic: &'a str,
    /// The register in force at the end.
    pub register: &'a Register,
    /// What the service was told.
    pub settings: Settings,
    /// All messages, by partition and offset.
    pub messages: &'a [Found],
    /// Where each partition ends.
    pub ends: &'a BTreeMap<i32, i64>,
}

impl Trial<'_> {
    /// Every answer that is right, at a tick.
    pub fn expected(&self, tick: u64) -> Json {
        let partitions = self.ends.keys().max().map_or(0, |last| *last as usize + 1);
        let last = self
            .messages
            .iter()
            .map(|found| found.partition as usize + 1);
        let mut log: Log = vec![Vec::new(); last.max().unwrap_or(0).max(partitions)];
        for found in self.messages {
            log[found.partition as usize].push(Message {
                log_time_ms: found.time_ms,
                bytes: found.body.clone().unwrap_or_default(),
            });
        }
        let version = self.register.version();
        let mut answers = oracle::answers(self.register, self.settings, &log, tick, &version);
        // The oracle's offsets are places in its log; a topic has gaps.
        for contest in &self.register.contests {
            let results = &mut answers["contests"][&contest.contest_id]["results"];
            results["offsets"] = json!(self.offsets());
        }
        answers
    }

    /// The offsets that are reached when everything is counted.
    pub fn offsets(&self) -> BTreeMap<String, i64> {
        let ends = self.ends.iter();
        ends.map(|(partition, end)| (format!("{}/{partition}", self.topic), *end))
            .collect()
    }

    /// The rows of `aggregated_votes_per_candidate`, without their ticks.
    pub fn candidate_rows(&self, expected: &Json) -> BTreeMap<String, Json> {
        let mut rows = BTreeMap::new();
        for (contest, row) in rows_of(expected, "results", "candidates") {
            let id = text(&row["candidate_id"]);
            let mut candidates = self.register.candidates.iter();
            let candidate =
                candidates.find(|known| known.contest_id == contest && known.candidate_id == id);
            let candidate = candidate.expect("a row is about a candidate of the register");
            let value = json!({
                "contest_id": contest,
                "candidate_id": id,
                "candidate_name": row["candidate_name"],
                "party": candidate.party,
                "photo_url": candidate.photo_url,
                "campaign_promises": candidate.campaign_promises,
                "total_votes": row["votes"],
                "rank": row["rank"],
            });
            rows.insert(key(contest, id), value);
        }
        rows
    }

    /// The rows of `aggregated_turnout_by_location`, without their ticks.
    pub fn location_rows(&self, expected: &Json) -> BTreeMap<String, Json> {
        let mut rows = BTreeMap::new();
        for (contest, row) in rows_of(expected, "locations", "locations") {
            let location = text(&row["location"]);
            let value = json!({
                "contest_id": contest,
                "location": location,
                "name": row["name"],
                "votes": row["accepted"],
                "registered": row["registered"],
                "turnout": row["turnout"],
            });
            rows.insert(key(contest, location), value);
        }
        rows
    }
}

/// What differs between the answers that are right and those that were given.
pub fn compare_answers(expected: &Json, given: &Json) -> Vec<String> {
    let found = differences(&through_text(expected), given);
    found
        .into_iter()
        .map(|each| format!("answers{each}"))
        .collect()
}

/// Fractions lose their last bit on their way through text, so both sides of a comparison go that
/// way.
fn through_text(json: &Json) -> Json {
    serde_json::from_str(&json.to_string()).expect("what was written as json is json")
}

/// The refused topic holds each message that is no event once, unchanged, and nothing else.
pub fn compare_refused(topic: &str, messages: &[Found], refused: &[Found]) -> Vec<String> {
    let mut expected: BTreeMap<(String, String), (&Found, &str)> = BTreeMap::new();
    for found in messages {
        let body = found.body.as_deref().unwrap_or_default();
        if let Err(reason) = message::read(body, found.time_ms) {
            let place = (found.partition.to_string(), found.offset.to_string());
            expected.insert(place, (found, reason));
        }
    }
    let mut objections = Vec::new();
    let mut kept = BTreeMap::new();
    for copy in refused {
        let header = |name: &str| {
            let value = copy.headers.get(name).map(Vec::as_slice);
            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
        };
        let place = (header("source_partition"), header("source_offset"));
        let at = format!("message {}/{}", place.0, place.1);
        let Some((source, reason)) = expected.get(&place) else {
            objections.push(format!(
                "{at} is in the refused topic and is no refused one"
            ));
            continue;
        };
        if let Some(before) = kept.insert(place, copy.offset) {
            let now = copy.offset;
            objections.push(format!(
                "{at} is in the refused topic at {before} and at {now}"
            ));
            continue;
        }
        if header("reason") != *reason {
            objections.push(format!(
                "{at} is refused as {}, not {reason}",
                header("reason")
            ));
        }
        if header("source_topic") != topic {
            objections.push(format!(
                "{at} is said to come from {}",
                header("source_topic")
            ));
        }
        if copy.body.as_deref().unwrap_or_default() != source.body.as_deref().unwrap_or_default() {
            objections.push(format!("{at} is not in the refused topic as it was"));
        }
    }
    let missing = expected
        .iter()
        .filter(|(place, _)| !kept.contains_key(place));
    for ((partition, offset), (_, reason)) in missing {
        objections.push(format!(
            "message {partition}/{offset}, refused as {reason}, is not in the refused topic"
        ));
    }
    objections
}

/// An aggregate topic, compacted, holds just the rows; ticks never go back, nor ahead of what is
/// published.
pub fn compare_aggregate(
    name: &str,
    expected: &BTreeMap<String, Json>,
    messages: &[Found],
    tick: u64,
) -> Vec<String> {
    let mut objections = Vec::new();
    let mut rows: BTreeMap<String, Json> = BTreeMap::new();
    let mut ticks: BTreeMap<String, u64> = BTreeMap::new();
    for found in messages {
        let key = found.key.as_deref().unwrap_or_default();
        let key = String::from_utf8_lossy(key).into_owned();
        let Some(body) = &found.body else {
            rows.remove(&key);
            continue;
        };
        let Ok(mut row) = serde_json::from_slice::<Json>(body) else {
            objections.push(format!("{name} {key} at {} is no JSON", found.offset));
            continue;
        };
        let at = row["tick"].as_u64();
        let Some(at) = at.filter(|at| *at <= tick) else {
            objections.push(format!("{name} {key} has tick {at:?}, the results {tick}"));
            continue;
        };
        if let Some(before) = ticks.insert(key.clone(), at).filter(|before| *before > at) {
            objections.push(format!("{name} {key} goes back from tick {before} to {at}"));
        }
        if let Some(fields) = row.as_object_mut() {
            fields.remove("tick");
        }
        rows.insert(key, row);
    }
    for (key, row) in expected {
        let row = through_text(row);
        match rows.get(key) {
            Some(found) if equal(&row, found) => {}
            Some(found) => objections.extend(
                differences(&row, found)
                    .iter()
                    .map(|each| format!("{name} {key}{each}")),
            ),
            None if objections.iter().any(|each| each.contains(key.as_str())) => {}
            None => objections.push(format!("{name} {key} is missing")),
        }
    }
    let more = rows.keys().filter(|key| !expected.contains_key(*key));
    objections.extend(more.map(|key| format!("{name} {key} is there and should not be")));
    objections
}

/// What was acknowledged is in the topic.
pub fn compare_acknowledged(acknowledged: &[Vec<u8>], messages: &[Found]) -> Vec<String> {
    let stored: HashSet<&[u8]> = messages
        .iter()
        .filter_map(|found| found.body.as_deref())
        .collect();
    let lost = acknowledged
        .iter()
        .filter(|line| !stored.contains(line.as_slice()));
    lost.map(|line| {
        let line = String::from_utf8_lossy(line);
        format!("acknowledged over HTTP and not in the topic: {line}")
    })
    .collect()
}

/// A key of the aggregate topics: the two ids with what would be ambiguous encoded.
pub fn key(contest: &str, id: &str) -> String {
    let encode = |id: &str| id.replace('%', "%25").replace('/', "%2F");
    format!("{}/{}", encode(contest), encode(id))
}

/// The rows of one list of every contest, with the contest.
fn rows_of<'a>(
    expected: &'a Json,
    answer: &'a str,
    list: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let contests = expected["contests"].as_object().into_iter().flatten();
    contests.flat_map(move |(contest, answers)| {
        let rows = answers[answer][list].as_array().into_iter().flatten();
        rows.map(move |row| (contest.as_str(), row))
    })
}

fn text(value: &Json) -> &str {
    value.as_str().expect("an id is a text")
}
