//! The register's rules against the one in force: what may change while votes are counted.
//!
//! In come registers that are sound by themselves; expected are pieces of the sentences that an
//! operator would read, one for each error and none besides.

use std::sync::Arc;

use dataflow::hash::KeyedHash;
use dataflow::register::{Register, RegisterChange};
use register_case::{assert_problems, base, drop, edited, push, register};
use serde_json::{Value as Json, json};

mod register_case;

const KEEP: RegisterChange = RegisterChange {
    allow_drop: false,
    recounted: false,
};
const ALLOW_DROP: RegisterChange = RegisterChange {
    allow_drop: true,
    recounted: false,
};

#[track_caller]
fn check_against(json: &Json, how: RegisterChange, expected: &[&[&str]]) {
    let problems = register(json).check_against(&register(&base()), how);
    assert_problems(problems.iter().map(ToString::to_string).collect(), expected);
}

#[test]
fn the_same_register_may_follow() {
    check_against(&base(), KEEP, &[]);
}

#[test]
fn the_default_contest_stays() {
    let other = edited(|json| {
        json["contests"][0]["is_default"] = json!(false);
        json["contests"][1]["is_default"] = json!(true);
    });
    check_against(&other, ALLOW_DROP, &[&["default", "'m'", "'n'"]]);
    let none = edited(|json| json["contests"][0]["is_default"] = json!(false));
    check_against(&none, ALLOW_DROP, &[&["default", "'m'", "none"]]);
}

#[test]
fn a_default_by_being_alone_is_one() {
    let alone = json!({
        "elections": [{"election_id": "e"}],
        "contests": [{"contest_id": "m", "election_id": "e"}],
    });
    let mut two = alone.clone();
    push(
        &mut two,
        "contests",
        json!({"contest_id": "n", "election_id": "e"}),
    );
    let problems = |next: &Json, in_force: &Json| {
        let problems = register(next).check_against(&register(in_force), ALLOW_DROP);
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // A second contest takes it away, unless the first is marked.
    assert_problems(problems(&two, &alone), &[&["default", "'m'", "none"]]);
    two["contests"][0]["is_default"] = json!(true);
    assert_problems(problems(&two, &alone), &[]);
    // To be alone after there was no default makes one.
    two["contests"][0]["is_default"] = json!(false);
    assert_problems(problems(&alone, &two), &[&["default", "none", "'m'"]]);
}

#[test]
fn window_and_slide_of_a_known_contest_stay() {
    let window = edited(|json| json["contests"][1]["window_ms"] = json!(20_000));
    check_against(&window, ALLOW_DROP, &[&["'n'", "20000"]]);
    let slide = edited(|json| json["contests"][1]["slide_ms"] = json!(2_000));
    check_against(&slide, ALLOW_DROP, &[&["'n'", "2000"]]);
    let row = json!({"contest_id": "new", "election_id": "e", "slide_ms": 1000});
    check_against(&edited(|json| push(json, "contests", row)), KEEP, &[]);
}

#[test]
fn a_leaf_gets_no_children() {
    let row = json!({"election_id": "e", "location": "new", "parent": "x"});
    let json = edited(|json| push(json, "locations", row));
    check_against(&json, ALLOW_DROP, &[&["'x'", "'e'", "leaf"]]);
    let moved = edited(|json| json["locations"][2]["parent"] = json!("x"));
    check_against(&moved, ALLOW_DROP, &[&["'x'", "'e'", "leaf"]]);
    // A leaf of the same code in another election, a new leaf beside, a new tree: all fine.
    let json = edited(|json| {
        for (election, location, parent) in [
            ("e", "new", "top"),
            ("f", "north", ""),
            ("f", "n1", "north"),
        ] {
            let parent = Some(parent).filter(|parent| !parent.is_empty());
            let row = json!({"election_id": election, "location": location, "parent": parent});
            push(json, "locations", row);
        }
    });
    check_against(&json, KEEP, &[]);
}

#[test]
fn a_roll_does_not_become_empty_or_shrink_by_more_than_a_tenth() {
    let roll = |voters: u64| {
        edited(|json| {
            let row = |voter: u64| json!({"voter_id": format!("v{voter}"), "election_id": "f"});
            json["voters"] = (0..voters).map(row).collect();
        })
    };
    let hash = KeyedHash::new([1; 16]);
    let step = |was: u64, is: u64, how: RegisterChange, expected: &[&[&str]]| {
        let (was, is) = (register(&roll(was)), register(&roll(is)));
        let kept = |register: &Register| {
            let rolls = register.voters.rolls(&hash, &register.elections);
            Register {
                voters: Arc::unwrap_or_clone(rolls).into(),
                ..register.clone()
            }
        };
        for (was, is) in [(&was, &is), (&kept(&was), &kept(&is))] {
            let problems = is.check_against(was, how);
            assert_problems(problems.iter().map(ToString::to_string).collect(), expected);
        }
    };
    for (was, is) in [(40, 36), (10, 9), (2_000, 1_800), (40, 400), (0, 0), (0, 5)] {
        step(was, is, KEEP, &[]);
    }
    for (was, is) in [(40, 35), (10, 8), (9, 8), (2, 1), (2_000, 1_799)] {
        step(was, is, KEEP, &[&["'f'", "roll", "tenth", "--allow-drop"]]);
    }
    for was in [1, 40] {
        step(was, 0, KEEP, &[&["'f'", "roll", "empty", "--allow-drop"]]);
    }
    let expected: &[&[&str]] = &[&["2,000 voters", "to 1,234"]];
    step(2_000, 1_234, KEEP, expected);
    // Also where all votes are counted anew; not where it is allowed.
    let recounted = RegisterChange {
        recounted: true,
        ..KEEP
    };
    step(40, 10, recounted, &[&["'f'", "40", "10"]]);
    step(40, 10, ALLOW_DROP, &[]);
    step(40, 0, ALLOW_DROP, &[]);
    // Without a roll nobody needs to be on it.
    let none = edited(|json| {
        json["voters"] = json!([]);
        json["elections"][1]["roll"] = json!(false);
    });
    check_against(&none, KEEP, &[]);
}

#[test]
fn nothing_is_gone_unless_it_may() {
    let gone = json!({
        "elections": [{"election_id": "e"}],
        "contests": [{"contest_id": "m", "election_id": "e"}],
        "candidates": [{"contest_id": "m", "candidate_id": "a"}],
        "locations": [
            {"election_id": "e", "location": "top"},
            {"election_id": "e", "location": "x", "parent": "top"},
        ],
    });
    check_against(&gone, ALLOW_DROP, &[]);
    check_against(
        &gone,
        KEEP,
        &[
            &["election 'f'", "gone", "--allow-drop"],
            &["contest 'n'", "gone"],
            &["candidate 'b'", "'m'", "gone"],
            &["candidate 'a'", "'n'", "gone"],
            &["location 'y'", "'e'", "gone"],
            &["location 'x'", "'f'", "gone"],
        ],
    );
}

#[test]
fn names_numbers_hours_and_order_may_change() {
    let json = edited(|json| {
        json["candidates"][0]["candidate_name"] = json!("Ann");
        json["candidates"][0]["withdrawn_at"] = json!("2013-11-03T20:00:00Z");
        json["contests"][0]["revote"] = json!("last");
        json["contests"][0]["opens_at"] = json!(5);
        json["locations"][1]["registered"] = json!(7);
        json["elections"][0]["roll"] = json!(true);
        json["candidates"].as_array_mut().expect("a list").reverse();
        push(
            json,
            "voters",
            json!({"voter_id": "cyd", "election_id": "e"}),
        );
    });
    check_against(&json, KEEP, &[]);
}

#[test]
fn what_binds_a_running_count_may_differ_when_all_is_counted_anew() {
    let how = RegisterChange {
        recounted: true,
        ..KEEP
    };
    let json = edited(|json| {
        json["contests"][0]["is_default"] = json!(false);
        json["contests"][1]["slide_ms"] = json!(2000);
        json["locations"][2]["parent"] = json!("x");
    });
    check_against(&json, how, &[]);
    let gone = edited(|json| drop(json, "candidates", 1));
    check_against(&gone, how, &[&["candidate 'b'", "gone"]]);
}
