//! The command itself: what it writes, prints and refuses.

mod recount;

use std::path::Path;
use std::process::{Command, Output};

use dataflow::register::Register;
use recount::recount;

fn producer(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    for name in ["TALLYFLOW_TOKEN", "TALLYFLOW_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command.args(arguments);
    command.output().expect("the command can be run")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

#[test]
fn a_replay_into_a_file_meets_the_totals_it_writes() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (votes, totals) = (
        folder.path().join("votes.ndjson"),
        folder.path().join("totals.json"),
    );
    let to = format!("file:{}", text(&votes));
    let shares = [
        "--duplicates",
        "0.01",
        "--revotes",
        "0.01",
        "--voids",
        "0.01",
    ];
    let more = [
        "--late",
        "0.01",
        "--malformed",
        "0.01",
        "--seed",
        "9",
        "--expect",
        text(&totals),
    ];
    let arguments = [
        &["replay", "montreal-2013", "--to", &to][..],
        &shares,
        &more,
    ]
    .concat();
    let output = producer(&arguments);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.contains("149,467") && printed.contains("391,166"),
        "{printed}"
    );
    assert!(
        output.stderr.is_empty(),
        "a bar is drawn where there is no terminal"
    );
    let register = producer(&["register", "montreal-2013"]).stdout;
    let register: Register =
        toml::from_str(&String::from_utf8_lossy(&register)).expect("the register is TOML");
    let votes = std::fs::read(&votes).expect("the votes are written");
    let lines = votes.strip_suffix(b"\n").expect("the last line ends");
    let found = recount(lines.split(|byte| *byte == b'\n'), &register);
    let totals = std::fs::read(&totals).expect("the totals are written");
    let totals: serde_json::Value = serde_json::from_slice(&totals).expect("they are JSON");
    for (field, count) in [
        ("messages", found.messages),
        ("received", found.received),
        ("voids", found.voids),
        ("duplicates", found.duplicates),
    ] {
        assert_eq!(totals[field], count, "{field}");
    }
    assert_eq!(totals["counts"]["accepted"], found.accepted);
    assert_eq!(
        totals["refused"]["missing_field"],
        found.refused["missing_field"]
    );
    assert_eq!(
        totals["candidates"][0]["votes"],
        found.candidates["coderre"]
    );
}

#[test]
fn a_made_up_election_and_its_register_belong_together() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let votes = folder.path().join("votes.ndjson");
    let size = [
        "--voters",
        "3000",
        "--candidates",
        "3",
        "--locations",
        "4",
        "--seed",
        "2",
    ];
    let to = format!("file:{}", text(&votes));
    let output = producer(&[&["simulate", "--to", &to, "--revotes", "0.5"][..], &size].concat());
    assert!(output.status.success(), "{output:?}");
    let register = producer(&[&["register", "--format", "json"][..], &size].concat()).stdout;
    let register: Register = serde_json::from_slice(&register).expect("the register is JSON");
    assert_eq!(register.check(), []);
    let votes = std::fs::read(&votes).expect("the votes are written");
    let lines = votes.strip_suffix(b"\n").expect("the last line ends");
    let found = recount(lines.split(|byte| *byte == b'\n'), &register);
    assert_eq!(
        (found.accepted, found.superseded, found.set_aside),
        (3000, 1500, 0)
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    for (arguments, words) in [
        (
            &["replay", "montreal-2031", "--to", "file:/dev/null"][..],
            "there is no election",
        ),
        (
            &["replay", "uk-2019", "--to", "kafka://127.0.0.1:9092"],
            "is no place to send votes to",
        ),
        (
            &["replay", "uk-2019", "--to", "https://example.org"],
            "is no place to send votes to",
        ),
        (
            &["replay", "uk-2019", "--to", "file:/nowhere/votes"],
            "could not write votes",
        ),
        (
            &["replay", "uk-2019", "--to", "file:/dev/null", "--rate", "0"],
            "a rate is",
        ),
        (
            &["replay", "uk-2019", "--to", "file:/dev/null", "--late", "2"],
            "share of late is 2",
        ),
        (
            &[
                "replay",
                "uk-2019",
                "--to",
                "file:/dev/null",
                "--starts-at",
                "9000-01-01T00:00:00Z",
            ],
            "in the future",
        ),
        (
            &["replay", "uk-2019", "--to", "http://127.0.0.1:1"],
            "--token-file",
        ),
        (
            &[
                "replay",
                "uk-2019",
                "--to",
                "http://127.0.0.1:1",
                "--token-file",
                "/nowhere/token",
            ],
            "could not read the token in '/nowhere/token'",
        ),
        (&["register"], "required"),
    ] {
        let output = producer(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(words),
            "{arguments:?}: {said}"
        );
    }
}
