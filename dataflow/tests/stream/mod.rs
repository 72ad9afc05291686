//! The stream as a client sees it: a snapshot, changes applied by key, and what was corrected.
//!
//! In come a world's publications; out goes whether every client, wherever it began and however
//! its changes were merged, has what the next snapshot has. A client here knows nothing but keys.

use std::collections::BTreeMap;

use dataflow::view::Publication;
use dataflow::view::{ContestChange, Snapshot, Views};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::difference::differences;
use crate::none;
use crate::world::{Moment, World};

mod departures;

/// What the stream shows of the windows.
const WINDOWS_MAX: usize = 120;

/// One contest as a client has it.
#[derive(Clone, Debug)]
struct Client {
    /// Everything that is no row.
    head: Json,
    candidates: BTreeMap<String, Json>,
    locations: BTreeMap<String, Json>,
    windows: BTreeMap<String, Json>,
    /// Windows before it were never told.
    told_from: Option<String>,
    /// What was not yet applied.
    merged: Option<ContestChange>,
}

/// Follows every contest through all ticks.
pub fn reduces(world: &World, ticks: Vec<(Moment, Publication)>) -> TestCaseResult {
    // One client has every change at once, one merges those of some ticks, one connected at the
    // tick before.
    let mut prompt: BTreeMap<String, Client> = BTreeMap::new();
    let mut newcomer: BTreeMap<String, Client> = BTreeMap::new();
    let mut slow: BTreeMap<String, Client> = BTreeMap::new();
    let mut before: Option<Moment> = None;
    for (place, (moment, publication)) in ticks.into_iter().enumerate() {
        let snapshot = &publication.snapshot;
        let ids = snapshot.contest_ids();
        for id in publication.changes.keys() {
            prop_assert!(ids.contains(id), "a change of {}, which is gone", id);
        }
        let fits = 1 + (world.seed >> (place % 60)) % 3;
        for id in &ids {
            let change = publication.changes.get(id);
            follow(&mut prompt, snapshot, id, change, true)?;
            follow(&mut slow, snapshot, id, change, fits == 1)?;
            follow(&mut newcomer, snapshot, id, change, true)?;
            newcomer.remove(id);
            follow(&mut newcomer, snapshot, id, None, true)?;
        }
        for clients in [&mut prompt, &mut newcomer, &mut slow] {
            clients.retain(|id, _| ids.contains(id));
        }
        departures::check(world, before.as_ref(), &moment, &publication)?;
        before = Some(moment);
    }
    Ok(())
}

/// What the stream of each contest tells, tick by tick: the change, and all figures beside it.
pub fn told(ticks: &[(Moment, Publication)]) -> Vec<Json> {
    let mut contests: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for (place, (_, publication)) in ticks.iter().enumerate() {
        let snapshot = &publication.snapshot;
        for id in snapshot.contest_ids() {
            let change = publication.changes.get(&id);
            let change =
                change.and_then(|change| snapshot.stream_change(&id, change, Views::ALL).ok());
            let tick = json!({
                "snapshot": snapshot.stream_snapshot(&id, Views::ALL).ok().map(json_of),
                "change": change.map(json_of),
            });
            let ticks = contests.entry(id).or_default();
            // A contest that comes later, or again, begins with a tick of nothing.
            ticks.resize(place, Json::Null);
            ticks.push(tick);
        }
    }
    let told = contests.into_iter();
    told.map(|(contest, ticks)| json!({ "contest": contest, "ticks": ticks }))
        .collect()
}

/// Lets one client follow one tick, or only note it.
fn follow(
    clients: &mut BTreeMap<String, Client>,
    snapshot: &Snapshot,
    id: &str,
    change: Option<&ContestChange>,
    applies: bool,
) -> TestCaseResult {
    let whole = snapshot.stream_snapshot(id, Views::ALL).map(json_of);
    let whole = whole.map_err(|_| TestCaseError::fail(format!("no snapshot of {id}")))?;
    let Some(client) = clients.get_mut(id) else {
        clients.insert(id.to_string(), Client::connect(&whole));
        return Ok(());
    };
    match (&mut client.merged, change) {
        (Some(merged), Some(change)) => merged.merge(change),
        (merged @ None, Some(change)) => *merged = Some(change.clone()),
        (_, None) => {}
    }
    if !applies {
        return Ok(());
    }
    let mut found = Vec::new();
    if let Some(change) = client.merged.take() {
        let shown = snapshot.stream_change(id, &change, Views::ALL).map(json_of);
        let shown = shown.map_err(|_| TestCaseError::fail(format!("no change of {id}")))?;
        found = client.apply(&shown);
    }
    found.extend(client.against(&whole));
    let named = found
        .into_iter()
        .map(|each| format!("stream of {id}{each}"));
    none(named.collect(), snapshot.tick())
}

impl Client {
    fn connect(whole: &Json) -> Client {
        let windows = by_key(&whole["windows"]["windows"], "start");
        let is_full = windows.len() >= WINDOWS_MAX;
        Client {
            head: head(whole),
            candidates: by_key(&whole["results"]["candidates"], "candidate_id"),
            locations: by_key(&whole["locations"], "location"),
            told_from: windows.keys().next().cloned().filter(|_| is_full),
            windows,
            merged: None,
        }
    }

    /// Takes a change; gives what it removes and was not there.
    fn apply(&mut self, change: &Json) -> Vec<String> {
        let mut unknown = Vec::new();
        self.head = head(change);
        let changed = &change["results"]["candidates"];
        self.candidates.extend(by_key(changed, "candidate_id"));
        self.locations
            .extend(by_key(&change["locations"], "location"));
        let changed = &change["windows"]["windows"];
        self.windows.extend(by_key(changed, "start"));
        let rows = [
            ("candidates", &mut self.candidates),
            ("locations", &mut self.locations),
            ("windows", &mut self.windows),
        ];
        for (list, rows) in rows {
            for key in change["removed"][list].as_array().into_iter().flatten() {
                if rows.remove(key.as_str().unwrap_or_default()).is_none() {
                    unknown.push(format!("{list}: {key} is removed and was not there"));
                }
            }
        }
        unknown
    }

    /// What differs from a snapshot, its head's tick aside where nothing changed.
    fn against(&self, whole: &Json) -> Vec<String> {
        let candidates = by_key(&whole["results"]["candidates"], "candidate_id");
        let locations = by_key(&whole["locations"], "location");
        let windows = by_key(&whole["windows"]["windows"], "start");
        // Of windows older than those of the first snapshot only the changed ones were told.
        let from = self.told_from.as_ref();
        let is_told = |(start, _): &(&String, &Json)| from.is_none_or(|from| *start >= from);
        let newest = self.windows.iter().rev().take(WINDOWS_MAX).filter(is_told);
        let newest: BTreeMap<&String, &Json> = newest.collect();
        let told: BTreeMap<&String, &Json> = windows.iter().filter(is_told).collect();
        let ours = json!({
            "head": untimed(&self.head), "candidates": self.candidates,
            "locations": self.locations, "windows": newest,
        });
        let theirs = json!({
            "head": untimed(&head(whole)), "candidates": candidates,
            "locations": locations, "windows": told,
        });
        differences(&theirs, &ours)
    }
}

/// All that is no row.
fn head(event: &Json) -> Json {
    let mut results = event["results"].clone();
    results["candidates"] = Json::Null;
    let mut windows = event["windows"].clone();
    windows["windows"] = Json::Null;
    json!({ "results": results, "windows": windows, "tick": event["tick"] })
}

/// A tick in which nothing of the contest changed may go unsaid.
fn untimed(head: &Json) -> Json {
    crate::strip(
        head.clone(),
        &["tick", "as_of", "offsets", "register_version"],
    )
}

/// Rows by what names them.
fn by_key(rows: &Json, key: &str) -> BTreeMap<String, Json> {
    let rows = rows.as_array().into_iter().flatten();
    let mut by_key = BTreeMap::new();
    for row in rows {
        let name = row[key].as_str().unwrap_or_default().to_string();
        by_key.insert(name, crate::strip(row.clone(), &[]));
    }
    by_key
}

fn json_of(answer: impl Serialize) -> Json {
    serde_json::to_value(answer).expect("an answer is plain data")
}
