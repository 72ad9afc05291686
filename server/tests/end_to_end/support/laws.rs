//! A page that follows the stream, and the law of agreement checked at every frame of it.
//!
//! The page does what any client does: it takes the snapshot, then puts whole rows in place and
//! takes removed keys out. It shares no code with the server.

use std::collections::BTreeMap;

use dataflow::time::parse_rfc3339;
use serde_json::{Map, Value, json};

use super::Event;

/// The stream serves the newest windows only, and takes those out that are older.
const WINDOWS_MAX: usize = 120;

/// What a client holds of one contest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The tick of the last event.
    pub tick: u64,
    results: Value,
    candidates: BTreeMap<String, Value>,
    locations: BTreeMap<String, Value>,
    windows: BTreeMap<String, Value>,
    head: Value,
}

impl Page {
    /// Takes an event and checks that everything agrees.
    pub fn take(&mut self, event: &Event) {
        let tick = event.data["tick"].as_u64().expect("a tick");
        match event.name.as_str() {
            "snapshot" => {
                *self = Page {
                    tick: self.tick,
                    ..Page::default()
                }
            }
            "change" => (),
            other => panic!("{other} is no event of a page"),
        }
        assert!(tick > self.tick, "ticks ascend: {tick} after {}", self.tick);
        assert_eq!(event.id, Some(tick), "the id is the tick");
        check_offsets(&self.results["offsets"], &event.data["results"]["offsets"]);
        self.tick = tick;
        let (mut results, mut windows) =
            (event.data["results"].clone(), event.data["windows"].clone());
        put(
            &mut self.candidates,
            results["candidates"].take(),
            "candidate_id",
        );
        put(
            &mut self.locations,
            event.data["locations"].clone(),
            "location",
        );
        put(&mut self.windows, windows["windows"].take(), "start");
        let removed = &event.data["removed"];
        remove(&mut self.candidates, &removed["candidates"]);
        remove(&mut self.locations, &removed["locations"]);
        remove(&mut self.windows, &removed["windows"]);
        (self.results, self.head) = (results, windows);
        self.check(&event.data);
    }

    /// How many ballots count.
    pub fn accepted(&self) -> u64 {
        number(&self.results["counts"]["accepted"])
    }

    /// How many messages are counted, over all partitions.
    pub fn messages(&self) -> u64 {
        self.results["offsets"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, next)| number(next))
            .sum()
    }

    /// Whether the page shows what a fresh snapshot shows, which is at a tick that changed
    /// nothing here, or at the same; a fresh one lacks windows that are too old for it.
    pub fn is_same_as(&self, fresh: &Page) -> bool {
        let shown = |page: &Page| {
            let (mut results, mut head) = (page.results.clone(), page.head.clone());
            for part in [&mut results, &mut head] {
                for member in ["tick", "as_of", "offsets"] {
                    part[member] = Value::Null;
                }
            }
            (
                results,
                head,
                page.candidates.clone(),
                page.locations.clone(),
            )
        };
        let windows = fresh.windows.iter();
        shown(self) == shown(fresh)
            && windows
                .into_iter()
                .all(|(start, window)| self.windows.get(start) == Some(window))
    }

    /// Design, the law of agreement: in one snapshot, for one contest.
    fn check(&self, data: &Value) {
        for part in [&data["results"], &data["windows"]] {
            assert_eq!(part["tick"], data["tick"], "all parts are of one tick");
            assert_eq!(part["register_version"], data["register_version"]);
        }
        let counts = &self.results["counts"];
        let count = |name: &str| number(&counts[name]);
        let accepted = count("accepted");
        let states = accepted + count("superseded") + count("voided") + count("set_aside");
        assert_eq!(
            count("received"),
            states,
            "received is the sum of its states: {counts}"
        );
        assert_eq!(
            count("set_aside"),
            sum(&self.results["set_aside_by"]),
            "set aside by reason"
        );
        let blank = number(&self.results["blank"]);
        let votes: u64 = self
            .candidates
            .values()
            .map(|row| number(&row["votes"]))
            .sum();
        assert_eq!(
            votes + blank,
            accepted,
            "votes over candidates and blank ones"
        );
        self.check_locations(accepted, blank);
        self.check_windows(accepted, blank);
    }

    fn check_locations(&self, accepted: u64, blank: u64) {
        let mut children: BTreeMap<Option<&str>, Vec<&Value>> = BTreeMap::new();
        for row in self.locations.values() {
            children
                .entry(row["parent"].as_str())
                .or_default()
                .push(row);
            let votes = sum(&row["votes"]);
            assert_eq!(
                votes + number(&row["blank"]),
                number(&row["accepted"]),
                "{row}"
            );
        }
        for (parent, rows) in &children {
            let total = |name: &str| rows.iter().map(|row| number(&row[name])).sum::<u64>();
            match parent.map(|code| &self.locations[code]) {
                Some(parent) => {
                    assert_eq!(total("accepted"), number(&parent["accepted"]), "{parent}");
                    assert_eq!(total("blank"), number(&parent["blank"]), "{parent}");
                    assert_eq!(votes_of(rows), parent["votes"], "{parent}");
                }
                None => {
                    assert_eq!(
                        (total("accepted"), total("blank")),
                        (accepted, blank),
                        "roots"
                    );
                    let shown = self
                        .candidates
                        .iter()
                        .map(|(id, row)| (id.clone(), row["votes"].clone()));
                    let shown: Map<_, _> = shown.filter(|(_, votes)| *votes != 0).collect();
                    assert_eq!(
                        votes_of(rows),
                        Value::Object(shown),
                        "candidates over roots"
                    );
                }
            }
        }
    }

    /// Every accepted ballot is in as many windows as slides fit into one; a page that holds them
    /// all finds each so often. Where older cells are one sum, windows begin with the oldest that is
    /// served, so those over both are not there, and each cell is found from the windows after it.
    fn check_windows(&self, accepted: u64, blank: u64) {
        assert!(
            self.windows.len() < WINDOWS_MAX,
            "a page holds no older windows, so a test that checks their sum must stay below"
        );
        let slides = number(&self.head["window_ms"]) / number(&self.head["slide_ms"]);
        let earlier = &self.head["earlier"];
        for (name, all) in [("accepted", accepted), ("blank", blank)] {
            let older = number(&earlier[name]);
            assert_eq!(self.cells(name) + older, all, "{name} over cells");
            if number(&earlier["accepted"]) == 0 {
                let windows: u64 = self.windows.values().map(|row| number(&row[name])).sum();
                assert_eq!(windows, slides * all, "{name} over windows");
            }
        }
        for row in self.windows.values() {
            assert_eq!(
                sum(&row["votes"]) + number(&row["blank"]),
                number(&row["accepted"]),
                "{row}"
            );
            assert!(number(&row["late"]) <= number(&row["accepted"]), "{row}");
        }
    }
}

impl Page {
    /// The sum over all cells that the windows are made of: of the last one first, since nothing
    /// else is in the window that begins with it.
    fn cells(&self, name: &str) -> u64 {
        let ms = |row: &Value| {
            let start = row["start"].as_str().expect("a start");
            parse_rfc3339(start.as_bytes()).expect("an instant")
        };
        let window_ms = number(&self.head["window_ms"]).cast_signed();
        let mut cells: BTreeMap<i64, u64> = BTreeMap::new();
        for row in self.windows.values().rev() {
            let start = ms(row);
            let after: u64 = cells.range(start..start + window_ms).map(|it| it.1).sum();
            let cell = number(&row[name]).checked_sub(after);
            cells.insert(
                start,
                cell.unwrap_or_else(|| panic!("less than its cells: {row}")),
            );
        }
        cells.values().sum()
    }
}

/// The law of agreement over everything, in `/status`.
pub fn check_status(status: &Value) {
    for warning in status["warnings"].as_array().expect("warnings") {
        let says = |member: &str| warning[member].as_str().is_some_and(|it| !it.is_empty());
        let is_whole = says("code") && says("message") && says("since");
        assert!(is_whole && number(&warning["count"]) > 0, "{warning}");
    }
    let of = |name: &str| number(&status[name]);
    let outcomes = of("received") + of("voids") + of("duplicates") + sum(&status["refused"]);
    assert_eq!(
        of("messages"),
        outcomes,
        "every message has one outcome: {status}"
    );
    let partitions = status["partitions"].as_array().expect("partitions");
    let read: u64 = partitions
        .iter()
        .map(|each| number(&each["next_offset"]) - number(&each["first_offset"]))
        .sum();
    assert_eq!(
        of("messages"),
        read,
        "messages are next less first offsets: {status}"
    );
    let counts = &status["counts"];
    let states = ["accepted", "superseded", "voided", "set_aside"];
    let states: u64 = states.iter().map(|state| number(&counts[state])).sum();
    assert_eq!(of("received"), states, "{status}");
}

fn check_offsets(before: &Value, after: &Value) {
    for (partition, then) in before.as_object().into_iter().flatten() {
        assert!(
            after[partition].as_i64() >= then.as_i64(),
            "offsets never go back: {partition}"
        );
    }
}

fn put(rows: &mut BTreeMap<String, Value>, changed: Value, key: &str) {
    for row in changed.as_array().expect("rows") {
        rows.insert(row[key].as_str().expect("a key").to_string(), row.clone());
    }
}

fn remove(rows: &mut BTreeMap<String, Value>, keys: &Value) {
    for key in keys.as_array().into_iter().flatten() {
        let gone = rows.remove(key.as_str().expect("a key"));
        assert!(gone.is_some(), "only what was there is removed: {key}");
    }
}

fn votes_of(rows: &[&Value]) -> Value {
    let mut votes: BTreeMap<&str, u64> = BTreeMap::new();
    for (candidate, count) in rows
        .iter()
        .flat_map(|row| row["votes"].as_object())
        .flatten()
    {
        *votes.entry(candidate).or_default() += number(count);
    }
    json!(votes)
}

fn sum(counts: &Value) -> u64 {
    counts
        .as_object()
        .expect("counts by name")
        .values()
        .map(number)
        .sum()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}
