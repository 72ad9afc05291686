//! Texts of registers, and what is said of them: pieces of the sentences, one for each problem.

use dataflow::hash::KeyedHash;
use dataflow::register::{Problem, Register};

use super::*;

const TOML: &str = r#"
    [[elections]]
    election_id = "city"
    date = 2013-11-03
    roll = true
    [[contests]]
    contest_id = "mayor"
    election_id = "city"
    opens_at = 2013-11-03T08:00:00-05:00
    closes_at = "2013-11-03T20:00:00-05:00"
    [[candidates]]
    contest_id = "mayor"
    candidate_id = 5
    [[voters]]
    voter_id = 17
    election_id = "city"
    name = "Vera"
    email = "vera@example.org"
    registration_date = 2013-01-02
"#;

fn read(name: &str, text: &str) -> Result<Read, Wrong> {
    let reading = Reading::new(KeyedHash::new([1; 16]));
    parse(Path::new(name), text.as_bytes(), reading)
}

fn sound(name: &str, text: &str) -> Register {
    read(name, text).expect("it is sound").register
}

fn problems(name: &str, text: &str) -> Vec<Problem> {
    match read(name, text) {
        Ok(_) => Vec::new(),
        Err(Wrong::Unread(problems) | Wrong::Unsound(problems)) => problems,
    }
}

/// Each problem has all words of one expectation, in what everybody reads of it, too.
#[track_caller]
fn check(name: &str, text: &str, expected: &[&[&str]]) {
    let (found, none) = (problems(name, text), Register::default());
    let full: Vec<&str> = found.iter().map(Problem::full).collect();
    let public: Vec<&str> = found.iter().map(|it| it.public(&none)).collect();
    for mut left in [full, public] {
        for words in expected {
            let has_all = |text: &&str| words.iter().all(|word| text.contains(word));
            let place = left.iter().position(has_all);
            let place = place.unwrap_or_else(|| panic!("no problem says {words:?}: {found:#?}"));
            left.remove(place);
        }
        assert!(left.is_empty(), "not expected: {left:#?}");
    }
}

/// A register as JSON with something in the place of a row of each list.
fn with(list: &str, rows: &str) -> String {
    let mut text = String::from("{");
    for (name, sound) in [
        ("elections", r#"{"election_id":"e","roll":true}"#),
        ("contests", r#"{"contest_id":"m","election_id":"e"}"#),
        ("candidates", r#"{"contest_id":"m","candidate_id":"a"}"#),
        ("locations", r#"{"election_id":"e","location":"x"}"#),
        ("voters", r#"{"voter_id":"v1","election_id":"e"}"#),
    ] {
        let rows = if name == list { rows } else { sound };
        text += &format!("\"{name}\": [{rows}],\n");
    }
    text.truncate(text.len() - 2);
    text + "}"
}

#[test]
fn toml_and_json_are_the_same_register() {
    let toml = sound("r.toml", TOML);
    let json = serde_json::to_string(&toml).expect("it is plain data");
    assert!(!json.contains("Vera") && !json.contains("vera@"), "{json}");
    let json = json.replace(
        json.split_once("\"voters\":").expect("there are voters").1,
        r#"[{"voter_id":"17","election_id":"city","email":"other@example.org"}]}"#,
    );
    assert_eq!(sound("r.json", &json), toml);
    assert_eq!(
        toml.contests[0].opens_at.map(|at| at.0),
        Some(1_383_483_600_000)
    );
    assert_eq!(toml.contests[0].window_ms, 10_000);
    assert_eq!(toml.candidates[0].candidate_id, "5");
    assert_eq!(toml.elections[0].date.as_deref(), Some("2013-11-03"));
    assert_eq!(toml.voters.by_election(), [("city", 1)].into());
    assert!(toml.voters.is_keyed());
}

#[test]
fn a_byte_order_mark_means_nothing() {
    let json = with("", "");
    assert_eq!(
        sound("r.json", &format!("\u{feff}{json}")),
        sound("r.json", &json)
    );
    assert_eq!(
        sound("r.toml", &format!("\u{feff}{TOML}")),
        sound("r.toml", TOML)
    );
    // One, not two, and not in the middle.
    assert!(!problems("r.json", &format!("\u{feff}\u{feff}{json}")).is_empty());
}

#[test]
fn what_is_no_register_says_what_it_is() {
    check("r.json", "[]", &[&["a list, not an object of lists"]]);
    check("r.json", "7", &[&["a number, not an object of lists"]]);
    check("r.json", "", &[&["line 1 column 0"]]);
    check(
        "r.json",
        r#"{"contests":{}}"#,
        &[&["'contests' is not a list, but an object"]],
    );
    check(
        "r.toml",
        "contests = 5",
        &[&["'contests' is not a list", "[[contests]]"]],
    );
    check(
        "r.toml",
        "[contests]\ncontest_id = 'c'",
        &[&["'contests' is not a list"]],
    );
    check("r.yaml", "", &[&[".toml or .json"]]);
    check("r.json", "{}", &[&["there is no contest"]]);
    check("r.toml", "", &[&["there is no contest"]]);
    let row = with(
        "locations",
        r#""x", 5, {"election_id":"e","location":"x"}, ["y"], null"#,
    );
    let expected: &[&[&str]] = &[
        &["locations[0]: it is a text, not a row"],
        &["locations[1]: it is a number"],
        &["locations[3]: it is a list"],
        &["locations[4]: it is null"],
    ];
    check("r.json", &row, expected);
    let latin = parse(
        Path::new("r.json"),
        b"{\n \"contests\": [\"\xe9\"]}",
        Reading::new(KeyedHash::new([1; 16])),
    );
    let Err(Wrong::Unread(problems)) = latin else {
        panic!("it is not in UTF-8");
    };
    assert!(
        problems[0].full().contains("UTF-8 from line 2, column 16"),
        "{problems:?}"
    );
}

#[test]
fn every_row_and_field_that_cannot_be_read_is_named_at_once() {
    let text = r#"{
        "elections": [{"election_id":"e","date":"3.11.2013","test":"yes"}, {"name":"x"},
                      {"election_id":null,"roll":1}],
        "contests": [{"contest_id":"m","election_id":"e","closes_at":"soon","window_ms":10000.5,
                      "kind":5},
                     {"contest_id":"n","election_id":"e","opens_at":99999999999999999,
                      "closes_at":[], "is_default":null}],
        "candidates": [{"contest_id":"m","candidate_id":5.5},
                       {"contest_id":"m","candidate_id":"a","position":"first","withdrawn_at":true}],
        "locations": [{"election_id":"e","location":"x","registered":-1,"parent":{}},
                      {"election_id":"e","location":"","registered":99999999999999999999}],
        "voters": [{"voter_id":"v","election_id":"e","registration_date":"2025-02-30"},
                   {"election_id":"e","email":["a","b"]}]
    }"#;
    let expected: &[&[&str]] = &[
        &["election 'e' (elections[0])", "date", "2013-11-03"],
        &["election 'e' (elections[0])", "test", "not true or false"],
        &["elections[1], election_id: it is missing"],
        &["elections[2], election_id: it is missing"],
        &["elections[2]", "roll", "a number is not true or false"],
        &["contest 'm' (contests[0])", "closes_at", "not an instant"],
        &["contest 'm' (contests[0])", "window_ms", "fraction"],
        &[
            "contest 'm' (contests[0])",
            "kind",
            "a number is not a text",
        ],
        &["contest 'n' (contests[1])", "opens_at", "0001 to 9999"],
        &[
            "contest 'n' (contests[1])",
            "closes_at",
            "a list is not an instant",
        ],
        &["candidates[0]", "candidate_id", "fraction"],
        &["candidates[1]", "position", "whole number"],
        &[
            "candidates[1]",
            "withdrawn_at",
            "true or false is not an instant",
        ],
        &[
            "location 'x' of 'e' (locations[0])",
            "registered",
            "from 0 on",
        ],
        &[
            "location 'x' of 'e' (locations[0])",
            "parent",
            "an object is not an id",
        ],
        &["locations[1]", "location", "1 to 128 bytes"],
        &["locations[1]", "registered"],
        &["voters[0], registration_date", "a day"],
        &["voters[1], voter_id: it is missing"],
        &["voters[1], email", "a list is not a text"],
    ];
    check("r.json", text, expected);
    let error = problems("r.json", text);
    let quoting: Vec<&str> = error.iter().map(Problem::full).collect();
    let quoting = quoting.join("\n");
    // The operator reads what was written, but of people.
    assert!(
        quoting.contains("'soon'") && quoting.contains("'3.11.2013'"),
        "{quoting}"
    );
    for word in ["untagged", "variant", "expected", "2025-02-30", "first"] {
        assert!(!quoting.contains(word), "{word}: {quoting}");
    }
}

#[test]
fn toml_says_all_that_is_wrong_with_its_text_and_quotes_none_of_it() {
    let text = "
        [[elections]]
        election_id = 'e'
        [[voters]]
        voter_id = 'secret-1
        email = 'ada@example.org'
        [[voters]]
        voter_id = 'secret-2'
        voter_id = 'secret-3'
        email = ada@example.org
        registration_date = 2025-02-30
    ";
    let found = problems("r.toml", text);
    let texts: Vec<&str> = found.iter().map(Problem::full).collect();
    for line in ["line 5,", "line 9,", "line 10,", "line 11,"] {
        assert!(
            texts.iter().any(|text| text.starts_with(line)),
            "{line} in {texts:#?}"
        );
    }
    let all = texts.join("\n");
    for secret in ["secret", "example", "ada", "2025"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn json_says_where_its_text_breaks_and_what_was_wrong_before() {
    let text = with(
        "contests",
        r#"{"contest_id":"m","election_id":"e","opens_at":"soon"}"#,
    );
    let broken = text.replace(r#""voter_id":"v1""#, r#""voter_id":"secret-1"#);
    check(
        "r.json",
        &broken,
        &[&["contests[0]", "opens_at"], &["line 5 column"]],
    );
    for broken in [
        text.replace(r#""voter_id":"v1""#, r#""voter_id":"secret-1\x""#),
        text.replace(r#""voter_id":"v1""#, r#""voter_id":secret-1"#),
        text.replace(r#""voter_id":"v1""#, "\"voter_id\":\"secret-1\n\""),
        text.replace(
            r#"{"voter_id":"v1","election_id":"e"}"#,
            r#"["secret-1", {"secret-1""#,
        ),
        format!("{text} \"secret-1\""),
    ] {
        let found = problems("r.json", &broken);
        assert!(found.len() >= 2, "{found:#?}");
        assert!(!format!("{found:?}").contains("secret"), "{found:#?}");
    }
}

#[test]
fn a_name_is_there_once() {
    let twice = |list: &str, row: &str, field: &str| {
        let expected: &[&[&str]] = &[&[&format!("{list}[0]"), field, "there twice"]];
        check("r.json", &with(list, row), expected);
    };
    twice(
        "contests",
        r#"{"contest_id":"m","name":"x","election_id":"e","name":"x"}"#,
        "name",
    );
    twice(
        "voters",
        r#"{"voter_id":"v","voter_id":"v","election_id":"e"}"#,
        "voter_id",
    );
    twice(
        "voters",
        r#"{"voter_id":"v","voter\u005fid":"w","election_id":"e"}"#,
        "voter_id",
    );
    twice(
        "locations",
        r#"{"election_id":"e","location":"x","note":1,"note":2}"#,
        "not known",
    );
    let lists = with("", "").replacen('{', r#"{"voters": [],"#, 1);
    check("r.json", &lists, &[&["the list 'voters' is there twice"]]);
    let rows: &[&[&str]] = &[&["voters[2]", "twice", "first in voters[0]"]];
    let voters = ["v", "w", "v"].map(|id| format!(r#"{{"voter_id":"{id}","election_id":"e"}}"#));
    check("r.json", &with("voters", &voters.join(",")), rows);
}

#[test]
fn the_ends_of_time_are_read() {
    let hours = |opens: &str, closes: &str| {
        let row = format!(
            r#"{{"contest_id":"m","election_id":"e","opens_at":"{opens}","closes_at":"{closes}"}}"#
        );
        let contest = sound("r.json", &with("contests", &row)).contests.remove(0);
        (
            contest.opens_at.map(|at| at.0),
            contest.closes_at.map(|at| at.0),
        )
    };
    use dataflow::time::{INSTANT_MS_MAX, INSTANT_MS_MIN};
    assert_eq!(hours("-infinity", "infinity"), (None, None));
    assert_eq!(hours("infinity", "infinity"), (Some(INSTANT_MS_MAX), None));
    assert_eq!(
        hours("-infinity", "-infinity"),
        (None, Some(INSTANT_MS_MIN))
    );
    let row = r#"{"contest_id":"m","election_id":"e","opens_at":"infinity",
                  "closes_at":"2013-11-03T20:00:00Z"}"#;
    check(
        "r.json",
        &with("contests", row),
        &[&["'m'", "closes_at is not after opens_at"]],
    );
    let withdrawn = |at: &str| {
        let row = format!(r#"{{"contest_id":"m","candidate_id":"a","withdrawn_at":"{at}"}}"#);
        let read = sound("r.json", &with("candidates", &row));
        read.candidates[0].withdrawn_at.map(|at| at.0)
    };
    assert_eq!(withdrawn("infinity"), None);
    assert_eq!(withdrawn("-infinity"), Some(INSTANT_MS_MIN));
    for wrong in [
        "Infinity",
        "inf",
        "now",
        "0044-03-15 00:00:00 BC",
        "10000-01-01T00:00:00Z",
        "2013-11-03",
        "2013-11-03T20:00:00",
    ] {
        let row = format!(r#"{{"contest_id":"m","election_id":"e","opens_at":"{wrong}"}}"#);
        check(
            "r.json",
            &with("contests", &row),
            &[&["'m'", "opens_at", "not an instant"]],
        );
    }
}

#[test]
fn what_is_absent_or_null_is_the_same() {
    let bare = sound("r.json", &with("", ""));
    let row = r#"{"contest_id":"m","election_id":"e","name":null,"is_default":null,"kind":null,
                  "revote":null,"window_ms":null,"slide_ms":null,"opens_at":null,"closes_at":null,
                  "colour":"a name that is not known"}"#;
    assert_eq!(sound("r.json", &with("contests", row)), bare);
}

#[test]
fn a_list_of_more_rows_than_there_can_be_is_refused_before_it_fills_memory() {
    let rows = vec![r#"{"election_id":"e"}"#; 100_005].join(",");
    let found = problems("r.json", &with("elections", &rows));
    let texts: Vec<&str> = found.iter().map(Problem::full).collect();
    assert_eq!(texts, ["'elections' has more than 100,000 rows"]);
}

#[test]
fn problems_without_end_are_counted() {
    let voter = r#"{"voter_id":"secret","registration_date":"secret"}"#;
    let found = problems("r.json", &with("voters", &vec![voter; 1_254].join(",")));
    let texts: Vec<&str> = found.iter().map(Problem::full).collect();
    assert_eq!(texts.len(), 42, "{texts:#?}");
    assert_eq!(texts[20], "and 1,234 more like these");
    assert!(!texts.concat().contains("secret"));
}
