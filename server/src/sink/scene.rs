//! A small election for the tests: its register, votes, and the ticks that come of them.

use std::sync::Arc;

use dataflow::harness::{Settings, Step, run};
use dataflow::register::Register;
use dataflow::view::Publication;
use serde_json::json;

/// Two contests; one location with two leaves below it.
pub fn register() -> Register {
    let register = json!({
        "elections": [{"election_id": "club", "name": "The club"}],
        "contests": [
            {"contest_id": "chair", "election_id": "club", "is_default": true},
            {"contest_id": "rule/1", "election_id": "club"},
        ],
        "candidates": [
            {"contest_id": "chair", "candidate_id": "ana", "candidate_name": "Ana Alba",
             "party": "Apples", "photo_url": "http://example.org/ana.jpg",
             "campaign_promises": "An apple a day"},
            {"contest_id": "chair", "candidate_id": "ben"},
            {"contest_id": "rule/1", "candidate_id": "100%"},
            {"contest_id": "rule/1", "candidate_id": "50%"},
        ],
        "locations": [
            {"election_id": "club", "location": "town", "name": "Town"},
            {"election_id": "club", "location": "n1", "parent": "town", "registered": 4},
            {"election_id": "club", "location": "n2", "parent": "town", "registered": 6},
        ],
        "voters": [],
    });
    serde_json::from_value(register).expect("it has a register's form")
}

/// A vote for the chair.
pub fn vote(voter: &str, candidate: &str, location: &str) -> Vec<u8> {
    let vote = json!({
        "vote_id": voter, "voter_id": voter, "candidate_id": candidate, "location": location,
        "timestamp": 1_700_000_000_000_i64,
    });
    vote.to_string().into_bytes()
}

/// The ticks 10, 20, … with these votes before each; a register where it changes.
pub fn ticks(steps: Vec<(Option<Register>, Vec<Vec<u8>>)>) -> Vec<Publication> {
    let mut offset = 0;
    let steps = (1..).zip(steps).map(|(number, (register, votes))| Step {
        register: register.map(Arc::new),
        messages: votes
            .into_iter()
            .map(|bytes| {
                offset += 1;
                (0, offset - 1, Some(1_700_000_000_000), bytes)
            })
            .collect(),
        tick: number * 10,
    });
    run(1, 1, Settings::default(), steps.collect())
}
