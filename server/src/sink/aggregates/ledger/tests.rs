//! Rounds against a table of rows that applies them: whatever is lost on the way, the table
//! agrees with the snapshot in the end.

use dataflow::register::Register;
use serde_json::{Value, json};

use super::*;
use crate::publish::Publisher;
use crate::sink::scene::{register, ticks, vote};

/// The topics as their readers see them.
#[derive(Default)]
struct Table(BTreeMap<(Topic, String), Value>);

impl Table {
    /// Applies a round and says which keys it touched.
    fn apply(&mut self, round: &Round) -> Vec<String> {
        let apply = |message: &Message| {
            let key = String::from_utf8(message.key.to_vec()).expect("keys are text");
            let place = (message.topic, key.clone());
            match &message.value {
                Some(value) => {
                    let value = serde_json::from_slice(value).expect("values are JSON");
                    self.0.insert(place, value);
                    key
                }
                None => {
                    assert!(self.0.remove(&place).is_some(), "{key} was removed already");
                    format!("-{key}")
                }
            }
        };
        round.messages.iter().map(apply).collect()
    }

    /// Every row of the snapshot is there as it is, but for an older tick, and no other.
    fn check(&self, snapshot: &Snapshot) {
        let mut expected = Table::default();
        expected.apply(&Ledger::default().plan(snapshot, |_, _| Since::Nothing));
        let keys = |table: &Table| table.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(self), keys(&expected));
        for (place, row) in &expected.0 {
            let mut row = row.clone();
            row["tick"] = self.0[place]["tick"].clone();
            assert_eq!(self.0[place], row);
        }
    }
}

/// A publisher to which ticks are published one by one.
struct Stage {
    publisher: Publisher,
    ticks: std::vec::IntoIter<dataflow::view::Publication>,
}

impl Stage {
    fn new(steps: Vec<(Option<Register>, Vec<Vec<u8>>)>) -> Stage {
        let publisher = Publisher::default();
        publisher.set_ready();
        Stage {
            publisher,
            ticks: ticks(steps).into_iter(),
        }
    }

    fn publish(&mut self) {
        let tick = self.ticks.next().expect("there is another tick");
        self.publisher.publish(tick);
    }

    fn plan(&self, ledger: &Ledger) -> Round {
        let tick = self.publisher.current().expect("a tick is published");
        let since = |contest: &str, from| self.publisher.since(contest, from, tick.number());
        ledger.plan(tick.snapshot(), since)
    }

    /// Plans, applies and settles, and says which keys were touched.
    fn round(&self, ledger: &mut Ledger, table: &mut Table) -> Vec<String> {
        let round = self.plan(ledger);
        let touched = table.apply(&round);
        ledger.settle(round);
        table.check(
            self.publisher
                .current()
                .expect("a tick is published")
                .snapshot(),
        );
        touched
    }
}

#[test]
fn the_first_round_writes_every_row_zeros_too() {
    let mut stage = Stage::new(vec![(Some(register()), vec![vote("v1", "ana", "n1")])]);
    stage.publish();
    let mut table = Table::default();
    let touched = stage.round(&mut Ledger::default(), &mut table);
    let expected = [
        "chair/ana",
        "chair/ben",
        "chair/n1",
        "chair/n2",
        "chair/town",
        "rule%2F1/100%25",
        "rule%2F1/50%25",
        "rule%2F1/n1",
        "rule%2F1/n2",
        "rule%2F1/town",
    ];
    assert_eq!(touched, expected);
    let row = |topic, key: &str| table.0[&(topic, key.to_string())].clone();
    assert_eq!(
        row(Topic::Candidates, "chair/ana"),
        json!({
            "contest_id": "chair", "candidate_id": "ana", "candidate_name": "Ana Alba",
            "party": "Apples", "photo_url": "http://example.org/ana.jpg",
            "campaign_promises": "An apple a day", "total_votes": 1, "rank": 1, "tick": 10,
        })
    );
    assert_eq!(
        row(Topic::Candidates, "rule%2F1/100%25"),
        json!({
            "contest_id": "rule/1", "candidate_id": "100%", "candidate_name": "100%",
            "party": null, "photo_url": null, "campaign_promises": null, "total_votes": 0,
            "rank": 1, "tick": 10,
        })
    );
    assert_eq!(
        row(Topic::Turnout, "chair/town"),
        json!({
            "contest_id": "chair", "location": "town", "name": "Town", "votes": 1,
            "registered": 10, "turnout": 0.1, "tick": 10,
        })
    );
}

#[test]
fn later_rounds_write_what_differs() {
    let mut stage = Stage::new(vec![
        (Some(register()), vec![vote("v1", "ana", "n1")]),
        (None, vec![vote("v2", "ana", "n1")]),
        // A second vote of the same voter changes no row.
        (None, vec![vote("v2", "ben", "n2")]),
        (None, vec![vote("v3", "ben", "n2")]),
        (None, vec![vote("v4", "ben", "n2")]),
    ]);
    let (mut ledger, mut table) = (Ledger::default(), Table::default());
    stage.publish();
    stage.round(&mut ledger, &mut table);
    stage.publish();
    let touched = stage.round(&mut ledger, &mut table);
    assert_eq!(touched, ["chair/ana", "chair/n1", "chair/town"]);
    stage.publish();
    assert_eq!(stage.round(&mut ledger, &mut table), [""; 0]);
    assert_eq!(ledger.tick(), Some(30));
    stage.publish();
    stage.publish();
    let touched = stage.round(&mut ledger, &mut table);
    // Ana shares the first rank now, two ticks are one round, and n1 is as it was.
    assert_eq!(touched, ["chair/ben", "chair/n2", "chair/town"]);
}

#[test]
fn a_round_that_was_lost_is_in_the_next_one() {
    let mut stage = Stage::new(vec![
        (Some(register()), Vec::new()),
        (None, vec![vote("v1", "ana", "n1")]),
        (None, vec![vote("v2", "ben", "n2")]),
    ]);
    let (mut ledger, mut table) = (Ledger::default(), Table::default());
    stage.publish();
    stage.round(&mut ledger, &mut table);
    stage.publish();
    // Part of it is written, and nobody knows.
    let mut lost = stage.plan(&ledger);
    lost.messages.truncate(1);
    table.apply(&lost);
    stage.publish();
    let touched = stage.round(&mut ledger, &mut table);
    assert_eq!(touched.len(), 5, "{touched:?}");
}

#[test]
fn rows_that_went_are_removed() {
    let mut smaller = register();
    smaller.candidates.retain(|row| row.candidate_id != "50%");
    smaller.locations.retain(|row| row.location != "n2");
    smaller.candidates[1].party = Some("Berries".to_string());
    let mut stage = Stage::new(vec![
        (Some(register()), Vec::new()),
        (Some(smaller), Vec::new()),
    ]);
    let (mut ledger, mut table) = (Ledger::default(), Table::default());
    stage.publish();
    stage.round(&mut ledger, &mut table);
    stage.publish();
    let touched = stage.round(&mut ledger, &mut table);
    // The towns have fewer registered voters now.
    let expected = [
        "-rule%2F1/50%25",
        "-chair/n2",
        "-rule%2F1/n2",
        "chair/ben",
        "chair/town",
        "rule%2F1/town",
    ];
    assert_eq!(touched, expected);
}

#[test]
fn a_contest_that_went_takes_its_rows_with_it() {
    let mut smaller = register();
    smaller.contests.retain(|row| row.contest_id == "chair");
    smaller.candidates.retain(|row| row.contest_id == "chair");
    let mut stage = Stage::new(vec![
        (Some(register()), Vec::new()),
        (Some(smaller), Vec::new()),
    ]);
    let (mut ledger, mut table) = (Ledger::default(), Table::default());
    stage.publish();
    stage.round(&mut ledger, &mut table);
    stage.publish();
    let touched = stage.round(&mut ledger, &mut table);
    assert_eq!(touched.len(), 5, "{touched:?}");
    assert!(
        touched.iter().all(|key| key.starts_with("-rule%2F1/")),
        "{touched:?}"
    );
}

#[test]
fn keys_that_were_there_before_are_written_anew_or_removed() {
    let mut stage = Stage::new(vec![(Some(register()), Vec::new())]);
    stage.publish();
    let (mut ledger, mut table) = (Ledger::default(), Table::default());
    for (topic, key, has_value) in [
        (Topic::Candidates, "chair/ana", true),
        (Topic::Candidates, "chair/gone", true),
        (Topic::Candidates, "chair/went", true),
        (Topic::Candidates, "chair/went", false),
        // The same key in the other topic is another row.
        (Topic::Turnout, "chair/ana", true),
    ] {
        ledger.note(topic, key.as_bytes(), has_value);
        let place = (topic, key.to_string());
        table.0.insert(place.clone(), Value::Null);
        if !has_value {
            table.0.remove(&place);
        }
    }
    assert_eq!(ledger.keys(), 3);
    let touched = stage.round(&mut ledger, &mut table);
    assert_eq!(touched[..2], ["-chair/gone", "-chair/ana"]);
    assert_eq!(touched.len(), 12, "{touched:?}");
}

#[test]
fn a_history_that_is_too_short_is_made_up_for_by_all_rows() {
    let mut stage = Stage::new(vec![
        (Some(register()), Vec::new()),
        (None, vec![vote("v1", "ana", "n1")]),
    ]);
    let (mut ledger, mut table) = (Ledger::default(), Table::default());
    stage.publish();
    stage.round(&mut ledger, &mut table);
    stage.publish();
    let tick = stage.publisher.current().expect("a tick is published");
    for lost in [Since::TooOld, Since::UnknownTick] {
        let round = ledger.plan(tick.snapshot(), |_, _| lost.clone());
        let keys = round.messages.iter().map(|message| &*message.key);
        // All rows are looked at, and those that differ are written.
        let expected: [&[u8]; 3] = [b"chair/ana", b"chair/n1", b"chair/town"];
        let written: Vec<&[u8]> = keys.filter(|key| expected.contains(key)).collect();
        assert_eq!(written, expected);
    }
}
