//! The oracle's own cases: what the recount must say before it may judge the core.
//!
//! In come small messages and all scripts, out goes nothing: every expected value is written by
//! hand. The core is not run here.

use dataflow::register::RegisterChange;
use difference::differences;
use oracle::instant::{self, FIRST_MS, LAST_MS};
use oracle::json::{Text, Value, read_object};
use oracle::message::{Event, read};
use serde_json::json;

mod difference;
mod oracle;
mod script;

#[test]
fn scripts_hold_for_the_oracle() {
    let cases = script::files::all_cases();
    let mut failures = Vec::new();
    let (mut ticks, mut expectations) = (0, 0);
    let allow_drop = RegisterChange {
        allow_drop: true,
        ..RegisterChange::default()
    };
    for case in &cases {
        let (mut register, mut in_force) = (None, None);
        for (step, log) in case.steps.iter().zip(script::logs(case)) {
            register = step.register.clone().or(register);
            let register = register.as_deref().expect("the first step has a register");
            // A script may only use registers that the service would take over.
            let mut problems = register.check();
            if let Some(in_force) = in_force.replace(register.clone()) {
                problems.extend(register.check_against(&in_force, allow_drop));
            }
            assert!(problems.is_empty(), "{}: {problems:?}", case.name);
            let answers = oracle::answers(register, case.settings, &log, step.tick, "given");
            ticks += 1;
            expectations += step.expected.len();
            for unmet in script::check::unmet(&step.expected, &answers) {
                failures.push(format!("{}, tick {}: {unmet}", case.name, step.tick));
            }
        }
    }
    println!(
        "{} cases, {ticks} ticks, {expectations} expectations",
        cases.len()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn objects_are_read_strictly() {
    let refused: [&[u8]; 34] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"{}{}",
        b"{} x",
        b"[]",
        b"null",
        b"\"a\"",
        b"1",
        b"{\"a\":1,}",
        b"{,}",
        b"{\"a\" 1}",
        b"{\"a\":}",
        b"{a:1}",
        b"{'a':1}",
        b"{\"a\":01}",
        b"{\"a\":+1}",
        b"{\"a\":-}",
        b"{\"a\":1.}",
        b"{\"a\":.5}",
        b"{\"a\":1e}",
        b"{\"a\":NaN}",
        b"{\"a\":tru}",
        b"{\"a\":\"\n\"}",
        b"{\"a\":\"\\x41\"}",
        b"{\"a\":\"\\u00g0\"}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":[1,]}",
        b"{\"a\":[1}",
        b"{\"a\":[[1,]]}",
        b"{\"a\":[{\"b\"}]}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":1}\0",
    ];
    for bytes in refused {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(read_object(bytes), None, "{shown}");
    }
}

#[test]
fn values_are_kept_as_written() {
    let text = |text: &str| Value::Text(Text::Whole(text.to_string()));
    let number = |text: &str| Value::Number(text.to_string());
    let cases = [
        (r#"{"a":-0}"#, number("-0")),
        (r#"{"a":1E+05}"#, number("1E+05")),
        (r#"{"a":"\u0041\n\/"}"#, text("A\n/")),
        (r#"{"a":"\ud83d\ude00"}"#, text("😀")),
        (r#"{"a":"\ud83d"}"#, Value::Text(Text::Lone)),
        (r#"{"a":"\ude00\ud83d"}"#, Value::Text(Text::Lone)),
        (r#"{"a":"\ud83d\ud83d\ude00"}"#, Value::Text(Text::Lone)),
        (r#"{"a":[]}"#, Value::List(vec![])),
        (
            r#"{"a":[1,[],null]}"#,
            Value::List(vec![
                number("1"),
                Value::Nested { lone: false },
                Value::Null,
            ]),
        ),
        (r#"{"a":{"b":["\udc00"]}}"#, Value::Nested { lone: true }),
        (r#"{"a":{"\udc00":1}}"#, Value::Nested { lone: true }),
        (
            r#"{"a":{"b":{},"c":[{"d":[]}]}}"#,
            Value::Nested { lone: false },
        ),
    ];
    for (json, expected) in cases {
        let fields = read_object(json.as_bytes());
        let name = Text::Whole("a".to_string());
        assert_eq!(fields, Some(vec![(name, expected)]), "{json}");
    }
}

#[test]
fn no_depth_is_too_deep() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert!(read_object(deep.as_bytes()).is_some());
    assert!(read_object(&deep.as_bytes()[..50_000]).is_none());
}

#[test]
fn instants_are_counted_out() {
    let cases = [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2000-02-29T00:00:00.001Z", 951_782_400_001),
        ("2013-11-03T14:05:09.123-05:00", 1_383_505_509_123),
        ("0001-01-01T00:00:00Z", FIRST_MS),
        ("9999-12-31T23:59:59.9999Z", LAST_MS),
    ];
    for (text, ms) in cases {
        assert_eq!(instant::read(text), Some(ms), "{text}");
    }
    let written = [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_383_508_800_123, "2013-11-03T20:00:00.123Z"),
        (FIRST_MS, "0001-01-01T00:00:00.000Z"),
        (FIRST_MS - 1, "0000-12-31T23:59:59.999Z"),
        (LAST_MS, "9999-12-31T23:59:59.999Z"),
        (LAST_MS + 1, "+010000-01-01T00:00:00.000Z"),
    ];
    for (ms, text) in written {
        assert_eq!(instant::write(ms), text);
    }
}

#[test]
fn the_contracts_own_example_is_a_cast() {
    let bytes = br#"{"vote_id":"b1946ac9","voter_id":"7f9c2ba4","candidate_id":"coderre",
        "location":"213","timestamp":"2013-11-03T14:05:09.123-05:00"}"#;
    let Ok(Event::Cast(cast)) = read(bytes, None) else {
        panic!("the example is no cast");
    };
    assert_eq!(cast.contest, None);
    assert_eq!(cast.choices, ["coderre"]);
    assert_eq!(cast.location.as_deref(), Some("213"));
    assert_eq!(cast.timestamp, Some(1_383_505_509_123));
}

#[test]
fn differences_are_named() {
    let expected = json!({"a": {"b": [1, 2]}, "c": null, "d": 0.5});
    assert!(differences(&expected, &expected).is_empty());
    let found = json!({"a": {"b": [1, 3]}, "d": 0.25, "e": true});
    let named = [
        ".a.b[1]: expected 2, found 3",
        ".c: expected null, is missing",
        ".d: expected 0.5, found 0.25",
        ".e: unexpected, is true",
    ];
    assert_eq!(differences(&expected, &found), named);
    let longer = json!({"a": {"b": [1, 2, 3]}, "c": null, "d": 0.5});
    assert_eq!(differences(&expected, &longer).len(), 1);
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let text = r#"
register
  {"elections": [{"election_id": "e"}],
   "contests": [{"contest_id": "m", "election_id": "e"}],
   "candidates": [{"contest_id": "m", "candidate_id": "a"}]}
== wrong on purpose
tick
0 @1000 cast 1 ada a
expect results m
  counts.accepted = 2
  counts.nothing = 0
  candidates[a].votes = 1
outcomes @1000 {"vote_id":"1","voter_id":"v","candidate_id":…}
  bad_field "a"
"#;
    let cases = script::parse("inline", text).expect("the script is sound");
    let mut unmet = Vec::new();
    for case in &cases {
        let step = &case.steps[0];
        let register = step.register.as_deref().expect("the first step has one");
        let log = &script::logs(case)[0];
        let answers = oracle::answers(register, case.settings, log, step.tick, "given");
        unmet.extend(script::check::unmet(&step.expected, &answers));
    }
    assert_eq!(
        unmet,
        [
            "outcome  : expected \"bad_field\", found \"accepted\"",
            "results m counts.accepted: expected 2, found 1",
            "results m counts.nothing: expected 0, is missing",
        ]
    );
}
