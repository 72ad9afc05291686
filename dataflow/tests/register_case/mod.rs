//! A register to do things to, and what its problems are expected to say.
//!
//! In come edits of a small register, as JSON; out go registers. Judges nothing but words.

use dataflow::register::Register;
use serde_json::{Value as Json, json};

/// Two elections, one with a tree, one with a roll.
pub fn base() -> Json {
    json!({
        "elections": [{"election_id": "e"}, {"election_id": "f", "roll": true}],
        "contests": [
            {"contest_id": "m", "election_id": "e", "is_default": true},
            {"contest_id": "n", "election_id": "f"},
        ],
        "candidates": [
            {"contest_id": "m", "candidate_id": "a"},
            {"contest_id": "m", "candidate_id": "b"},
            {"contest_id": "n", "candidate_id": "a"},
        ],
        "locations": [
            {"election_id": "e", "location": "top"},
            {"election_id": "e", "location": "x", "parent": "top"},
            {"election_id": "e", "location": "y", "parent": "top"},
            {"election_id": "f", "location": "x"},
        ],
        "voters": [
            {"voter_id": "ada", "election_id": "f"},
            {"voter_id": "bob", "election_id": "f"},
        ],
    })
}

/// A register as it is read.
pub fn register(json: &Json) -> Register {
    serde_json::from_value(json.clone()).expect("the register can be read")
}

/// The base with something done to it.
pub fn edited(edit: impl FnOnce(&mut Json)) -> Json {
    let mut json = base();
    edit(&mut json);
    json
}

/// Adds a row to a list.
pub fn push(json: &mut Json, list: &str, row: Json) {
    json[list].as_array_mut().expect("a list").push(row);
}

/// Takes a row out of a list.
pub fn drop(json: &mut Json, list: &str, place: usize) {
    json[list].as_array_mut().expect("a list").remove(place);
}

/// Each problem has all words of one expectation, and each expectation is met once.
#[track_caller]
pub fn assert_problems(found: Vec<String>, expected: &[&[&str]]) {
    let mut left = found.clone();
    for words in expected {
        let has_all = |problem: &String| words.iter().all(|word| problem.contains(word));
        let place = left.iter().position(has_all);
        let place = place.unwrap_or_else(|| panic!("no problem says {words:?}: {found:#?}"));
        left.remove(place);
    }
    assert!(left.is_empty(), "not expected: {left:#?}");
}
