//! A naive recount: a loop over messages with maps, by the rules of the event contract.
//!
//! Comes in as lines and a register; goes out as the fields of the expected totals. Knows nothing
//! of how the messages were made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use dataflow::register::{Register, is_id};
use dataflow::time::parse_rfc3339;
use serde::Deserialize;
use serde_json::Value;

/// All that a recount finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recount {
    pub messages: u64,
    pub received: u64,
    pub accepted: u64,
    pub superseded: u64,
    pub voided: u64,
    pub set_aside: u64,
    pub voids: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub late: u64,
    pub blank: u64,
    pub refused: BTreeMap<String, u64>,
    /// Without zeros.
    pub candidates: BTreeMap<String, u64>,
    /// By leaf: accepted, blank, votes.
    pub locations: BTreeMap<String, (u64, u64, BTreeMap<String, u64>)>,
    /// The first and last event time.
    pub span_ms: Option<(i64, i64)>,
}

/// A valid event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Cast(Cast),
    Void(String, String, Option<String>),
}

/// Two are the same one if all of it is equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cast {
    pub timestamp_ms: i64,
    pub vote_id: String,
    pub choices: Vec<String>,
    pub location: Option<String>,
    pub voter_id: String,
    pub contest_id: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    r#type: Option<Value>,
    vote_id: Option<Value>,
    voter_id: Option<Value>,
    contest_id: Option<Value>,
    candidate_id: Option<Value>,
    choices: Option<Value>,
    location: Option<Value>,
    timestamp: Option<Value>,
}

/// Reads one message, or says why it is no event.
pub fn decode(bytes: &[u8]) -> Result<Event, &'static str> {
    if bytes.len() > 65_536 {
        return Err("too_large");
    }
    let written: Written = match bytes.first() {
        Some(b'{') => serde_json::from_slice(bytes).map_err(|_| "malformed_json")?,
        _ => return Err("malformed_json"),
    };
    let is_void = match &written.r#type {
        None => false,
        Some(kind) if kind == "cast" => false,
        Some(kind) if kind == "void" => true,
        Some(_) => return Err("bad_field"),
    };
    let has_choice = written.candidate_id.is_some() || written.choices.is_some();
    // These messages have no time of a log.
    if written.voter_id.is_none() || !is_void && (!has_choice || written.timestamp.is_none()) {
        return Err("missing_field");
    }
    let voter_id = id(written.voter_id)?.ok_or("missing_field")?;
    let vote_id = id(written.vote_id)?.unwrap_or_else(|| voter_id.clone());
    let contest_id = id(written.contest_id)?;
    if is_void {
        return Ok(Event::Void(voter_id, vote_id, contest_id));
    }
    let choices = match (written.candidate_id, written.choices) {
        (Some(one), None) => vec![choice(&one)?],
        (None, Some(Value::Array(list))) if list.len() <= 64 => {
            list.iter().map(choice).collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err("bad_field"),
    };
    if choices.iter().collect::<BTreeSet<_>>().len() < choices.len() {
        return Err("bad_field");
    }
    let timestamp_ms = match written.timestamp {
        Some(Value::String(text)) => parse_rfc3339(text.as_bytes()).ok_or("bad_field")?,
        Some(number) => number.as_i64().ok_or("bad_field")?,
        None => return Err("missing_field"),
    };
    let location = id(written.location)?;
    // The log is of this century.
    if timestamp_ms > 4_102_444_800_000 {
        return Err("future_timestamp");
    }
    Ok(Event::Cast(Cast {
        timestamp_ms,
        vote_id,
        choices,
        location,
        voter_id,
        contest_id,
    }))
}

fn id(value: Option<Value>) -> Result<Option<String>, &'static str> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if is_id(&text) => Ok(Some(text)),
        Some(Value::Number(number)) if number.is_i64() => Ok(Some(number.to_string())),
        Some(_) => Err("bad_field"),
    }
}

fn choice(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) if is_id(text) => Ok(text.clone()),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        _ => Err("bad_field"),
    }
}

/// Counts all messages from scratch.
pub fn recount<'a>(messages: impl Iterator<Item = &'a [u8]>, register: &Register) -> Recount {
    let mut found = Recount::default();
    let mut events: HashMap<Event, Seen> = HashMap::new();
    let mut latest_ms = i64::MIN;
    for (place, bytes) in messages.enumerate() {
        found.messages += 1;
        let event = match decode(bytes) {
            Ok(event) => event,
            Err(reason) => {
                *found.refused.entry(reason.to_string()).or_default() += 1;
                continue;
            }
        };
        let mut is_late = false;
        if let Event::Cast(cast) = &event {
            let at_ms = cast.timestamp_ms;
            is_late = at_ms < latest_ms.saturating_sub(60_000);
            latest_ms = latest_ms.max(at_ms);
            let (first, last) = found.span_ms.unwrap_or((at_ms, at_ms));
            found.span_ms = Some((first.min(at_ms), last.max(at_ms)));
        }
        let known = events.get(&event).copied();
        found.duplicates += u64::from(known.is_some());
        let seen = Seen {
            place: known.map_or(place, |known| known.place),
            is_late: is_late && known.is_none_or(|known| known.is_late),
        };
        events.insert(event, seen);
    }
    count(&events, register, &mut found);
    found
}

/// What the copies of an event decide.
#[derive(Clone, Copy)]
struct Seen {
    /// Where the first one is.
    place: usize,
    is_late: bool,
}

fn count(events: &HashMap<Event, Seen>, register: &Register, found: &mut Recount) {
    let contest = &register.contests[0];
    let candidates: HashSet<&str> = register
        .candidates
        .iter()
        .map(|row| row.candidate_id.as_str())
        .collect();
    let parents: HashSet<&str> = register
        .locations
        .iter()
        .filter_map(|row| row.parent.as_deref())
        .collect();
    let locations = register.locations.iter().map(|row| row.location.as_str());
    let leaves: HashSet<&str> = locations.filter(|code| !parents.contains(code)).collect();
    let mut voids: HashSet<(&str, &str)> = HashSet::new();
    for event in events.keys() {
        if let Event::Void(voter, vote, named) = event {
            assert!(
                named
                    .as_ref()
                    .is_none_or(|named| *named == contest.contest_id)
            );
            voids.insert((voter, vote));
            found.voids += 1;
        }
    }
    let mut by_voter: HashMap<&str, Vec<(usize, &Cast)>> = HashMap::new();
    let mut by_id: HashMap<(&str, &str), u64> = HashMap::new();
    for (event, seen) in events {
        let Event::Cast(cast) = event else { continue };
        found.received += 1;
        found.late += u64::from(seen.is_late);
        if cast.vote_id != cast.voter_id {
            *by_id.entry((&cast.voter_id, &cast.vote_id)).or_default() += 1;
        }
        let is_right_contest = cast
            .contest_id
            .as_ref()
            .is_none_or(|id| *id == contest.contest_id);
        let is_right_place = match &cast.location {
            Some(code) => leaves.contains(code.as_str()),
            None => leaves.is_empty(),
        };
        let are_candidates = cast
            .choices
            .iter()
            .all(|id| candidates.contains(id.as_str()));
        if voids.contains(&(cast.voter_id.as_str(), cast.vote_id.as_str())) {
            found.voided += 1;
        } else if !(is_right_contest && is_right_place && are_candidates) {
            found.set_aside += 1;
        } else {
            let casts = by_voter.entry(&cast.voter_id).or_default();
            casts.push((seen.place, cast));
        }
    }
    found.conflicts = by_id.values().filter(|casts| **casts > 1).count() as u64;
    for casts in by_voter.values_mut() {
        casts.sort_by_key(|(place, cast)| (cast.timestamp_ms, *place));
        let counting = match contest.revote.as_str() {
            "all" => &casts[..],
            "last" => &casts[casts.len() - 1..],
            _ => &casts[..1],
        };
        found.superseded += (casts.len() - counting.len()) as u64;
        for (_, cast) in counting {
            accept(cast, found);
        }
    }
}

fn accept(cast: &Cast, found: &mut Recount) {
    found.accepted += 1;
    let at = cast.location.clone().unwrap_or_default();
    let (accepted, blank, votes) = found.locations.entry(at).or_default();
    *accepted += 1;
    match cast.choices.first() {
        Some(id) => {
            *votes.entry(id.clone()).or_default() += 1;
            *found.candidates.entry(id.clone()).or_default() += 1;
        }
        None => {
            *blank += 1;
            found.blank += 1;
        }
    }
}
