//! The register's rules by itself: what is refused, every error named; what its version says.
//!
//! In come registers as JSON, as a file would hold them; expected are pieces of the sentences
//! that an operator would read, one for each error and none besides.

use dataflow::register::Register;
use register_case::{assert_problems, base, drop, edited, push, register};
use serde_json::{Value as Json, json};

mod register_case;

#[track_caller]
fn check(json: &Json, expected: &[&[&str]]) {
    let problems = register(json).check();
    assert_problems(problems.iter().map(ToString::to_string).collect(), expected);
}

#[test]
fn a_sound_register_has_no_problems() {
    check(&base(), &[]);
}

#[test]
fn a_register_without_contests_is_refused() {
    check(&json!({}), &[&["no contest"]]);
}

#[test]
fn a_parent_must_exist_in_the_same_election() {
    let row = json!({"election_id": "f", "location": "z", "parent": "top"});
    check(
        &edited(|json| push(json, "locations", row)),
        &[&["'z'", "'f'", "'top'"]],
    );
}

#[test]
fn every_missing_parent_is_named() {
    let json = edited(|json| {
        for (location, parent) in [("p", "gone"), ("q", "gone"), ("r", "lost"), ("s", "p")] {
            let row = json!({"election_id": "e", "location": location, "parent": parent});
            push(json, "locations", row);
        }
    });
    let expected: &[&[&str]] = &[&["'p'", "'gone'"], &["'q'", "'gone'"], &["'r'", "'lost'"]];
    check(&json, expected);
}

#[test]
fn parents_must_not_form_a_cycle() {
    let own = edited(|json| json["locations"][3]["parent"] = json!("x"));
    check(&own, &[&["'x'", "'f'", "cycle"]]);
    let two = edited(|json| json["locations"][0]["parent"] = json!("x"));
    check(&two, &[&["'e'", "cycle"]]);
    let long = edited(|json| {
        for (location, parent) in [("1", "2"), ("2", "3"), ("3", "1"), ("4", "1"), ("5", "4")] {
            let row = json!({"election_id": "f", "location": location, "parent": parent});
            push(json, "locations", row);
        }
    });
    check(&long, &[&["'f'", "cycle"]]);
}

#[test]
fn every_cycle_is_named() {
    let json = edited(|json| {
        for (location, parent) in [("1", "2"), ("2", "1"), ("3", "4"), ("4", "3")] {
            let row = json!({"election_id": "f", "location": location, "parent": parent});
            push(json, "locations", row);
        }
    });
    check(&json, &[&["'1'", "cycle"], &["'3'", "cycle"]]);
}

#[test]
fn an_id_is_there_once() {
    let rows = [
        ("elections", json!({"election_id": "e"}), "election"),
        (
            "candidates",
            json!({"contest_id": "m", "candidate_id": "a"}),
            "candidate",
        ),
        (
            "locations",
            json!({"election_id": "e", "location": "y", "parent": "top"}),
            "location",
        ),
        (
            "voters",
            json!({"voter_id": "ada", "election_id": "f"}),
            "voters[2]",
        ),
    ];
    for (list, row, what) in rows {
        let json = edited(|json| push(json, list, row));
        check(&json, &[&[what, "twice", &format!("first in {list}[")]]);
    }
    let row = json!({"contest_id": "n", "election_id": "e"});
    check(
        &edited(|json| push(json, "contests", row)),
        &[&["contest 'n'", "twice"]],
    );
}

#[test]
fn the_same_id_elsewhere_is_another_one() {
    let json = edited(|json| {
        push(
            json,
            "candidates",
            json!({"contest_id": "n", "candidate_id": "b"}),
        );
        push(
            json,
            "locations",
            json!({"election_id": "f", "location": "y"}),
        );
        push(
            json,
            "voters",
            json!({"voter_id": "ada", "election_id": "e"}),
        );
    });
    check(&json, &[]);
}

#[test]
fn ids_have_the_limits_of_ids() {
    let sound = [
        "a".repeat(128),
        "é".repeat(64),
        " ".to_string(),
        "\n".to_string(),
    ];
    for id in sound {
        let row = json!({"contest_id": "m", "candidate_id": id});
        check(&edited(|json| push(json, "candidates", row)), &[]);
    }
    let wrong = [
        String::new(),
        "a".repeat(129),
        "é".repeat(65),
        "a\0b".to_string(),
    ];
    for id in wrong {
        let rows = [
            ("elections", json!({"election_id": id})),
            ("contests", json!({"contest_id": id, "election_id": "e"})),
            ("candidates", json!({"contest_id": "m", "candidate_id": id})),
            ("locations", json!({"election_id": "e", "location": id})),
            ("voters", json!({"voter_id": id, "election_id": "f"})),
        ];
        for (list, row) in rows {
            let json = edited(|json| push(json, list, row));
            check(&json, &[&["128 bytes"]]);
        }
    }
}

#[test]
fn one_default_at_most() {
    let two = edited(|json| json["contests"][1]["is_default"] = json!(true));
    check(&two, &[&["default", "m", "n"]]);
    let none = edited(|json| json["contests"][0]["is_default"] = json!(false));
    check(&none, &[]);
}

#[test]
fn kind_and_revote_are_known_ones() {
    for revote in ["first", "last", "all"] {
        check(
            &edited(|json| json["contests"][0]["revote"] = json!(revote)),
            &[],
        );
    }
    for revote in ["", "First", "never", "last "] {
        let json = edited(|json| json["contests"][0]["revote"] = json!(revote));
        check(&json, &[&["'m'", "revote", "first, last, all"]]);
    }
    for kind in ["", "Plurality", "approval"] {
        let json = edited(|json| json["contests"][1]["kind"] = json!(kind));
        check(&json, &[&["'n'", "kind", "plurality"]]);
    }
}

#[test]
fn window_sizes_fit() {
    let sizes = |window_ms: i64, slide_ms: i64| {
        edited(|json| {
            json["contests"][0]["window_ms"] = json!(window_ms);
            json["contests"][0]["slide_ms"] = json!(slide_ms);
        })
    };
    for (window_ms, slide_ms) in [
        (1000, 1000),
        (60_000, 1000),
        (7_000, 3_500),
        (86_400_000, 3_600_000),
    ] {
        check(&sizes(window_ms, slide_ms), &[]);
    }
    for (window_ms, slide_ms) in [
        (61_000, 1000),
        (1500, 1000),
        (1000, 2000),
        (0, 1000),
        (-1000, 1000),
    ] {
        check(
            &sizes(window_ms, slide_ms),
            &[&["'m'", "window_ms", "multiple"]],
        );
    }
    for slide_ms in [999, 1, 0, -1000, i64::MIN] {
        check(&sizes(10_000, slide_ms), &[&["'m'", "slide_ms", "1000"]]);
    }
}

#[test]
fn rows_belong_to_what_exists() {
    let json = edited(|json| {
        push(
            json,
            "contests",
            json!({"contest_id": "o", "election_id": "g"}),
        );
        push(
            json,
            "candidates",
            json!({"contest_id": "p", "candidate_id": "a"}),
        );
        push(
            json,
            "locations",
            json!({"election_id": "h", "location": "x"}),
        );
        push(
            json,
            "voters",
            json!({"voter_id": "ada", "election_id": "i"}),
        );
    });
    check(
        &json,
        &[
            &["contest 'o'", "election 'g'"],
            &["candidate 'a'", "contest 'p'"],
            &["location 'x'", "election 'h'"],
            &["voters[2], election_id", "no such election"],
        ],
    );
}

#[test]
fn every_error_is_named_at_once() {
    let json = edited(|json| {
        json["contests"][0]["kind"] = json!("approval");
        json["contests"][0]["revote"] = json!("best");
        json["contests"][0]["slide_ms"] = json!(5);
        json["contests"][1]["is_default"] = json!(true);
        json["contests"][1]["window_ms"] = json!(7);
        json["locations"][1]["parent"] = json!("nowhere");
        push(json, "elections", json!({"election_id": "e"}));
    });
    check(
        &json,
        &[
            &["'m'", "kind"],
            &["'m'", "revote"],
            &["'m'", "slide_ms is 5"],
            &["more than one"],
            &["'n'", "window_ms is 7"],
            &["'x'", "'nowhere'"],
            &["election 'e'", "twice"],
        ],
    );
}

#[test]
fn problems_without_end_are_counted_by_kind() {
    let json = edited(|json| {
        for number in 0..1254 {
            let row = json!({"contest_id": "gone", "candidate_id": format!("c{number}")});
            push(json, "candidates", row);
            push(
                json,
                "voters",
                json!({"voter_id": "ada", "election_id": "f"}),
            );
        }
        json["contests"][0]["revote"] = json!("best");
    });
    let problems = register(&json).check();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1 + 2 * 21, "{texts:#?}");
    let more = |text: &&String| *text == "and 1,234 more like these";
    assert_eq!(texts.iter().filter(more).count(), 2, "{texts:#?}");
    assert!(texts[0].contains("revote"), "{texts:#?}");
}

#[test]
fn closing_comes_after_opening() {
    let hours = |opens: Json, closes: Json| {
        edited(|json| {
            json["contests"][1]["opens_at"] = opens;
            json["contests"][1]["closes_at"] = closes;
        })
    };
    check(&hours(json!(1000), json!(1001)), &[]);
    check(&hours(json!(1000), json!(null)), &[]);
    check(&hours(json!(null), json!(1000)), &[]);
    for (opens, closes) in [
        (json!(1000), json!(1000)),
        (json!(1000), json!(-1000)),
        (
            json!("2013-11-03T20:00:00-05:00"),
            json!("2013-11-03T20:00:00Z"),
        ),
    ] {
        let expected: &[&[&str]] = &[&["'n'", "contests[1]", "closes_at is not after opens_at"]];
        check(&hours(opens, closes), expected);
    }
}

#[test]
fn a_day_is_written_as_year_month_and_day() {
    let day = |text: &str| edited(|json| json["elections"][0]["date"] = json!(text));
    for sound in ["2013-11-03", "2024-02-29", "0001-01-01", "9999-12-31"] {
        check(&day(sound), &[]);
    }
    for wrong in [
        "",
        "2025-02-30",
        "2023-02-29",
        "2013-13-01",
        "2013-00-10",
        "2013-11-00",
        "0000-01-01",
        "03.11.2013",
        "11/03/2013",
        "20131103",
        "2013-11-3",
        "2013-11-03T",
        "2013-11-03 ",
        "2013-11-03T20:00:00Z",
        "10000-01-01",
        "-013-11-03",
        "2013-11-03 BC",
        "٢٠١٣-11-03",
        "infinity",
    ] {
        check(&day(wrong), &[&["'e'", "elections[0]", "date"]]);
    }
}

/// The base with a chain of so many locations, the deepest first or last.
fn chain(levels: usize, deepest_first: bool) -> Json {
    edited(|json| {
        for level in 1..=levels {
            let parent = (level > 1).then(|| format!("l{}", level - 1));
            let id = format!("l{level}");
            let row = json!({"election_id": "f", "location": id, "parent": parent});
            push(json, "locations", row);
        }
        if deepest_first {
            json["locations"].as_array_mut().expect("a list").reverse();
        }
    })
}

#[test]
fn locations_lie_on_64_levels_at_most() {
    for deepest_first in [false, true] {
        check(&chain(64, deepest_first), &[]);
        for levels in [65, 66, 5_000, 20_000] {
            let expected: &[&[&str]] = &[&["'l65'", "'f'", "level 65", "at most 64"]];
            check(&chain(levels, deepest_first), expected);
        }
    }
    // Each way down that is too long is named once, and the others are sound.
    let mut json = chain(64, false);
    for location in ["a", "b"] {
        let row = json!({"election_id": "f", "location": location, "parent": "l64"});
        push(&mut json, "locations", row);
        let row = json!({"election_id": "f", "location": format!("{location}{location}"),
                         "parent": location});
        push(&mut json, "locations", row);
    }
    check(&json, &[&["'a'", "level 65"], &["'b'", "level 65"]]);
}

#[test]
fn a_way_into_a_cycle_is_none_that_is_too_deep() {
    let mut json = chain(100, true);
    let rows = json["locations"].as_array_mut().expect("a list");
    let first = rows.iter_mut().find(|row| row["location"] == "l1");
    first.expect("the root of the chain")["parent"] = json!("l3");
    check(&json, &[&["'f'", "cycle"]]);
}

#[test]
fn the_version_is_of_the_content_and_not_of_its_order() {
    let version = register(&base()).version();
    let turned = edited(|json| {
        for list in ["elections", "contests", "candidates", "locations", "voters"] {
            json[list].as_array_mut().expect("a list").reverse();
        }
    });
    assert_eq!(register(&turned).version(), version);
    let written_out = edited(|json| json["contests"][0]["slide_ms"] = json!(5000));
    assert_eq!(register(&written_out).version(), version);
    let others = [
        edited(|json| json["candidates"][0]["party"] = json!("P")),
        edited(|json| json["candidates"][0]["biography"] = json!("born")),
        edited(|json| json["locations"][1]["registered"] = json!(0)),
        edited(|json| json["elections"][1]["roll"] = json!(false)),
        edited(|json| json["contests"][1]["revote"] = json!("all")),
        edited(|json| drop(json, "voters", 1)),
    ];
    let mut versions: Vec<String> = others.iter().map(|json| register(json).version()).collect();
    versions.push(version);
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 7);
}

#[test]
fn ids_and_instants_are_read_as_files_write_them() {
    let json = edited(|json| {
        push(
            json,
            "candidates",
            json!({"contest_id": "m", "candidate_id": 5}),
        );
        push(
            json,
            "locations",
            json!({"election_id": "e", "location": 213, "parent": "top"}),
        );
        json["contests"][0]["opens_at"] = json!("1970-01-01T00:00:01+00:00");
        json["contests"][0]["closes_at"] = json!(2000);
    });
    let register = register(&json);
    assert_eq!(register.candidates[3].candidate_id, "5");
    assert_eq!(register.locations[4].location, "213");
    assert_eq!(register.contests[0].opens_at.map(|at| at.0), Some(1000));
    assert_eq!(register.contests[0].closes_at.map(|at| at.0), Some(2000));
    let wrong = [
        edited(|json| json["contests"][0]["opens_at"] = json!("soon")),
        edited(|json| json["candidates"][0]["candidate_id"] = json!(5.5)),
        edited(|json| json["candidates"][0]["candidate_id"] = json!(null)),
        edited(|json| json["locations"][0]["registered"] = json!(-1)),
    ];
    for json in wrong {
        assert!(
            serde_json::from_value::<Register>(json.clone()).is_err(),
            "{json}"
        );
    }
}
