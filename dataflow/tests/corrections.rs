//! Corrections: what left a count between two ticks, and why, case by case.
//!
//! In come two ticks of messages, the second perhaps with another register; expected are the
//! corrections of the second, written by hand. Counts themselves are the scripts' and the laws'.

use std::sync::Arc;

use dataflow::harness::{self, Settings, Step};
use dataflow::register::Register;
use dataflow::view::Views;
use serde_json::{Value as Json, json};

fn register() -> Json {
    json!({
        "elections": [{"election_id": "e"}],
        "contests": [{"contest_id": "m", "election_id": "e"}],
        "candidates": [
            {"contest_id": "m", "candidate_id": "a"},
            {"contest_id": "m", "candidate_id": "b"},
        ],
    })
}

fn cast(vote: &str, voter: &str, candidate: &str, at: i64) -> Json {
    json!({"vote_id": vote, "voter_id": voter, "candidate_id": candidate, "timestamp": at})
}

fn blank(vote: &str, voter: &str, at: i64) -> Json {
    json!({"vote_id": vote, "voter_id": voter, "choices": [], "timestamp": at})
}

fn void(vote: &str, voter: &str) -> Json {
    json!({"type": "void", "vote_id": vote, "voter_id": voter})
}

/// The corrections of a second tick: candidate, count and reason.
fn corrections(first: &[Json], second: &[Json], then: Option<Json>) -> Json {
    let read = |json: Json| -> Arc<Register> {
        Arc::new(serde_json::from_value(json).expect("the register can be read"))
    };
    let message = |(offset, event): (i64, &Json)| {
        // The log's own time goes back with the offset, for those who have no other.
        let log_time_ms = Some(50_000 - offset * 10_000);
        (0, offset, log_time_ms, event.to_string().into_bytes())
    };
    let mut messages: Vec<_> = (0..).zip(first.iter().chain(second)).map(message).collect();
    let later = messages.split_off(first.len());
    let steps = vec![
        Step {
            register: Some(read(register())),
            messages,
            tick: 1,
        },
        Step {
            register: then.map(read),
            messages: later,
            tick: 2,
        },
    ];
    let published = harness::run(2, 1, Settings::default(), steps);
    let last = &published[1];
    let Some(change) = last.changes.get("m") else {
        return json!([]);
    };
    let shown = last.snapshot.stream_change("m", change, Views::ALL);
    let shown = shown.expect("the contest is there").corrections;
    let rows = shown.iter();
    rows.map(|row| json!([row.candidate_id, row.minus, row.why]))
        .collect()
}

#[test]
fn a_voided_ballot_left() {
    let first = [cast("1", "ada", "a", 1000), cast("1", "bob", "a", 1000)];
    let told = corrections(&first, &[void("1", "ada")], None);
    assert_eq!(told, json!([["a", 1, "voided"]]));
    let told = corrections(&first, &[void("1", "ada"), void("1", "bob")], None);
    assert_eq!(told, json!([["a", 2, "voided"]]));
    let told = corrections(&[blank("1", "ada", 1000)], &[void("1", "ada")], None);
    assert_eq!(told, json!([[null, 1, "voided"]]));
}

#[test]
fn a_superseded_ballot_left() {
    let first = [cast("2", "ada", "a", 2000)];
    let told = corrections(&first, &[cast("1", "ada", "b", 1000)], None);
    assert_eq!(told, json!([["a", 1, "superseded"]]));
    // A count that goes down and up again has lost a ballot all the same.
    let told = corrections(&first, &[cast("1", "ada", "a", 1000)], None);
    assert_eq!(told, json!([["a", 1, "superseded"]]));
}

#[test]
fn what_never_counted_did_not_leave() {
    let first = [cast("1", "ada", "a", 1000), cast("2", "ada", "b", 2000)];
    assert_eq!(corrections(&first, &[void("2", "ada")], None), json!([]));
    let later = [cast("3", "ada", "b", 3000), cast("1", "bob", "b", 1000)];
    assert_eq!(corrections(&first, &later, None), json!([]));
}

#[test]
fn what_came_and_went_within_the_tick_did_not_leave() {
    let first = [cast("1", "ada", "a", 1000)];
    let later = [cast("1", "bob", "b", 1000), void("1", "bob")];
    assert_eq!(corrections(&first, &later, None), json!([]));
}

#[test]
fn what_came_back_within_the_tick_did_not_leave() {
    let first = [cast("2", "ada", "a", 2000)];
    let later = [cast("1", "ada", "b", 1000), void("1", "ada")];
    assert_eq!(corrections(&first, &later, None), json!([]));
}

#[test]
fn a_register_that_lets_less_count_is_the_reason() {
    let mut then = register();
    then["candidates"] = json!([{"contest_id": "m", "candidate_id": "b"}]);
    let first = [cast("1", "ada", "a", 1000), cast("1", "bob", "b", 1000)];
    // The candidate is gone, and so is its row; the ballots left with it.
    let told = corrections(&first, &[], Some(then));
    assert_eq!(told, json!([["a", 1, "register"]]));
    let mut then = register();
    then["contests"][0]["closes_at"] = json!(500);
    let told = corrections(&first, &[], Some(then));
    assert_eq!(told, json!([["a", 1, "register"], ["b", 1, "register"]]));
    let mut then = register();
    then["contests"][0]["revote"] = json!("last");
    let first = [cast("1", "ada", "a", 1000), cast("2", "ada", "b", 2000)];
    let told = corrections(&first, &[], Some(then));
    assert_eq!(told, json!([["a", 1, "register"]]));
}

#[test]
fn a_ballot_with_an_earlier_copy_moved() {
    let untimed = json!({"vote_id": "1", "voter_id": "ada", "candidate_id": "a"});
    let copies = [untimed.clone(), untimed.clone()];
    let told = corrections(&copies[..1], &copies[1..], None);
    assert_eq!(told, json!([["a", 1, "moved"]]));
}
