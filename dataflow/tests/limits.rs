//! Values at their ends: what the register's rules let pass, the core must be able to count.
//!
//! In come registers and log times that nobody means; expected is that the register is refused
//! or that the core goes on. The core cannot fail, only be wrong.

use std::sync::Arc;

use dataflow::harness::{self, Message, Settings, Step};
use dataflow::register::Register;
use dataflow::view::Parent;
use serde_json::{Value as Json, json};

const VOTE: &[u8] = br#"{"vote_id":"1","voter_id":"ada","candidate_id":"a"}"#;

fn register(contest: Json, locations: Json) -> Json {
    let mut row = json!({"contest_id": "m", "election_id": "e"});
    for (name, value) in contest.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    json!({
        "elections": [{"election_id": "e"}],
        "contests": [row],
        "candidates": [{"contest_id": "m", "candidate_id": "a"}],
        "locations": locations,
    })
}

/// Either the register is refused, or all answers can be given; says which.
fn runs(register: &Json, messages: Vec<Message>) -> bool {
    let register: Register =
        serde_json::from_value(register.clone()).expect("the register can be read");
    if !register.check().is_empty() {
        return false;
    }
    let count = messages.len() as u64;
    let step = Step {
        register: Some(Arc::new(register)),
        messages,
        tick: 1,
    };
    let published = harness::run(1, 1, Settings::default(), vec![step]);
    let snapshot = &published[0].snapshot;
    assert_eq!(snapshot.totals().messages, count);
    assert!(snapshot.results("m").is_ok());
    assert!(snapshot.locations("m", Parent::Any).is_ok());
    assert!(snapshot.windows("m", 1000).is_ok());
    assert!(snapshot.series("m", None).is_ok());
    true
}

fn vote(offset: i64, log_time_ms: i64) -> Message {
    (0, offset, Some(log_time_ms), VOTE.to_vec())
}

#[test]
fn registered_counts_that_no_sum_holds() {
    let root = |id: &str| json!({"election_id": "e", "location": id, "registered": u64::MAX});
    runs(&register(json!({}), json!([root("x"), root("y")])), vec![]);
    let leaf = |id: &str| json!({"election_id": "e", "location": id, "parent": "top", "registered": u64::MAX});
    let top = json!({"election_id": "e", "location": "top"});
    runs(
        &register(json!({}), json!([top, leaf("x"), leaf("y")])),
        vec![],
    );
}

#[test]
fn the_longest_slides_and_windows() {
    for slide_ms in [
        i64::MAX,
        i64::MAX / 2,
        i64::MAX / 60,
        1 << 53,
        86_400_000_000,
    ] {
        for slides in [1, 60] {
            let window_ms = slide_ms.saturating_mul(slides);
            let sizes = json!({"slide_ms": slide_ms, "window_ms": window_ms});
            let early = br#"{"vote_id":"2","voter_id":"bob","candidate_id":"a","timestamp":-5}"#;
            let messages = vec![vote(0, 5), (0, 1, Some(5), early.to_vec())];
            runs(&register(sizes, json!([])), messages);
        }
    }
}

#[test]
fn hours_at_the_ends() {
    let hours = json!({"opens_at": i64::MIN, "closes_at": i64::MAX});
    runs(&register(hours, json!([])), vec![vote(0, 5)]);
}

#[test]
fn log_times_at_the_ends() {
    for log_time_ms in [i64::MIN, i64::MIN + 1, -1, i64::MAX - 1, i64::MAX] {
        let timed = br#"{"vote_id":"2","voter_id":"bob","candidate_id":"a","timestamp":-5}"#;
        let messages = vec![
            vote(0, log_time_ms),
            (0, 1, Some(log_time_ms), timed.to_vec()),
            vote(2, 5),
        ];
        assert!(runs(&register(json!({}), json!([])), messages));
    }
}

#[test]
fn a_tree_on_as_many_levels_as_there_may_be() {
    let rows = (0..64).map(|depth: u32| {
        let parent = depth.checked_sub(1).map(|above| format!("l{above}"));
        json!({"election_id": "e", "location": format!("l{depth}"), "parent": parent})
    });
    let rows: Vec<Json> = rows.collect();
    runs(&register(json!({}), json!(rows)), vec![vote(0, 5)]);
}

#[test]
fn a_wide_tree_on_all_levels_is_rolled_up_along_each_leafs_way_only() {
    const LEAVES: i64 = 3000;
    // A trunk of 63 levels and all leaves below it; every sum of the trunk has every ballot.
    let trunk = (0..63).map(|depth: u32| {
        let parent = depth.checked_sub(1).map(|above| format!("l{above}"));
        json!({"election_id": "e", "location": format!("l{depth}"), "parent": parent})
    });
    let leaf =
        |leaf: i64| json!({"election_id": "e", "location": format!("x{leaf}"), "parent": "l62"});
    let rows: Vec<Json> = trunk.chain((0..LEAVES).map(leaf)).collect();
    let register: Register = serde_json::from_value(register(json!({}), json!(rows))).unwrap();
    assert!(register.check().is_empty());
    let messages = (0..LEAVES).map(|at| {
        let vote =
            json!({"voter_id": at.to_string(), "candidate_id": "a", "location": format!("x{at}")});
        (0, at, Some(5), vote.to_string().into_bytes())
    });
    let began = std::time::Instant::now();
    let step = Step {
        register: Some(Arc::new(register)),
        messages: messages.collect(),
        tick: 1,
    };
    let published = harness::run(1, 1, Settings::default(), vec![step]);
    let found = published[0].snapshot.locations("m", Parent::Any).unwrap();
    for row in found.locations.iter().filter(|row| !row.leaf) {
        assert_eq!(row.accepted, LEAVES.unsigned_abs(), "{}", row.location);
    }
    // 190,000 sums; were it all pairs of locations, ten million.
    let taken = began.elapsed();
    assert!(taken < std::time::Duration::from_secs(60), "{taken:?}");
}

#[test]
fn a_contest_past_the_names_that_are_kept_counts_once_a_register_names_it() {
    // More than are kept, by one worker or two, and a restart between.
    let contest = |at: i64| format!("invented {at}");
    let vote = |at: i64| {
        let vote = json!({
            "voter_id": at.to_string(), "candidate_id": "a", "contest_id": contest(at),
        });
        (0, at, Some(5), vote.to_string().into_bytes())
    };
    let register = |contests: &[String]| {
        let mut rows = register(json!({}), json!([]));
        for id in contests {
            let contest = json!({"contest_id": id, "election_id": "e"});
            let candidate = json!({"contest_id": id, "candidate_id": "a"});
            rows["contests"].as_array_mut().unwrap().push(contest);
            rows["candidates"].as_array_mut().unwrap().push(candidate);
        }
        let register: Register = serde_json::from_value(rows).unwrap();
        assert!(register.check().is_empty());
        Some(Arc::new(register))
    };
    const VOTES: i64 = 10_000;
    let part = |workers, register, messages, tick| harness::Part {
        workers,
        steps: vec![Step {
            register,
            messages,
            tick,
        }],
        lost: Vec::new(),
    };
    let named: Vec<String> = (0..VOTES)
        .step_by(1000)
        .chain([VOTES - 1])
        .map(contest)
        .collect();
    let parts = vec![
        part(1, register(&[]), (0..VOTES).map(vote).collect(), 1),
        part(2, None, vec![vote(VOTES)], 2),
        part(1, register(&named), Vec::new(), 3),
    ];
    let published = harness::run_in_parts(1, Settings::default(), parts);
    let aside = published[1].snapshot.totals();
    assert_eq!(aside.counts.set_aside, VOTES.unsigned_abs() + 1);
    let last = &published[2].snapshot;
    for contest in &named {
        assert_eq!(
            last.results(contest).unwrap().counts.accepted,
            1,
            "{contest}"
        );
    }
    let totals = last.totals();
    let named = named.len() as u64;
    assert_eq!(totals.counts.accepted, named);
    assert_eq!(totals.counts.set_aside, VOTES.unsigned_abs() + 1 - named);
}
