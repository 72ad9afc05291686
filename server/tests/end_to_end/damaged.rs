//! A start on damaged files: the same counts, or an error that says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::support::laws::check_status;
use crate::support::{Home, Server, until, votes};

const FLAGS: [&str; 2] = ["--checkpoint-every", "100ms"];

/// A data directory with votes in the log and two checkpoints that share a segment.
fn voted() -> Home {
    let server = Home::new().start(&FLAGS);
    let mut town = votes::Town::new(11);
    for batch in 1..=3 {
        assert_eq!(server.client().vote(&town.lines(200)).status, 202);
        server.settled();
        until("a checkpoint has all votes", || {
            let status = server.client().get("/api/v1/status").json();
            let is_empty = status["checkpoint"]["newest"].is_null();
            let rows = status["checkpoint"]["newest"]["rows"].as_u64();
            (!is_empty && rows >= Some(batch * 150)).then_some(())
        });
    }
    let (ended, home) = server.terminate();
    assert!(ended.success());
    home
}

fn files(home: &Home, prefix: &str) -> Vec<PathBuf> {
    let place = home.path().join("data/checkpoints");
    let entries = fs::read_dir(place).expect("checkpoints are there");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    let is_it = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    found.retain(|path| is_it(path));
    found.sort();
    found
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("the file is there");
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    fs::write(path, bytes).expect("the file is written");
}

/// What must be the same after any start.
fn counted(server: &Server) -> Value {
    let status = server.settled();
    check_status(&status);
    let results = server.client().get("/api/v1/results").json();
    serde_json::json!({
        "counts": status["counts"], "messages": status["messages"], "refused": status["refused"],
        "duplicates": status["duplicates"], "candidates": results["candidates"],
    })
}

fn warnings(server: &Server) -> Vec<String> {
    let status = server.client().get("/api/v1/status").json();
    let list = status["warnings"].as_array().expect("warnings");
    list.iter()
        .map(|it| it["code"].as_str().expect("a code").to_string())
        .collect()
}

#[test]
fn a_flipped_bit_in_a_file_that_both_checkpoints_need_is_made_good_from_the_log() {
    let server = voted().start(&FLAGS);
    let expected = counted(&server);
    assert_eq!(warnings(&server), [""; 0]);
    let home = server.terminate().1;
    for path in files(&home, "segment-") {
        flip(&path);
    }
    let server = home.start(&FLAGS);
    assert_eq!(counted(&server), expected);
    assert_eq!(warnings(&server), ["checkpoint_damaged"]);
    // What it wrote meanwhile is whole.
    let server = server.terminate().1.start(&FLAGS);
    assert_eq!(counted(&server), expected);
    assert_eq!(warnings(&server), [""; 0]);
}

#[test]
fn a_manifest_whose_sums_do_not_fit_is_not_gone_on_from() {
    let server = voted().start(&FLAGS);
    let expected = counted(&server);
    let mut home = server.terminate().1;
    for (field, of) in [
        ("messages", 1),
        ("duplicates", 1),
        ("accepted", 1),
        ("next_offset", -1),
    ] {
        for path in files(&home, "manifest-") {
            let outer: Value =
                serde_json::from_slice(&fs::read(&path).expect("a manifest")).expect("JSON");
            let mut inner = outer["manifest"].clone();
            let value = match field {
                "next_offset" => &mut inner["partitions"][0][field],
                field => &mut inner["counts"][field],
            };
            *value = Value::from(value.as_i64().expect("a number") + of);
            let (text, sum) = (inner.to_string(), xxh3_128(inner.to_string().as_bytes()));
            let whole = format!("{{\"manifest\":{text},\"xxh3\":\"{sum:032x}\"}}");
            fs::write(&path, whole).expect("the manifest is written");
        }
        let server = home.start(&FLAGS);
        assert_eq!(counted(&server), expected, "{field}");
        assert_eq!(warnings(&server), ["checkpoint_damaged"], "{field}");
        home = server.terminate().1;
    }
}

/// A voter whose id does not compress, so that it is found in the log's file.
const VOTER: &str = "q7Zx-0vKe_93hWmT!uB4rYs$Ld8";

/// Damages the votes of that voter in the log's file, not what leads to them.
fn damage_log(home: &Home) {
    let path = home.path().join("data/log/log.redb");
    let mut bytes = fs::read(&path).expect("the log is there");
    let needle = VOTER.as_bytes();
    let places: Vec<usize> = (0..bytes.len() - needle.len())
        .filter(|&at| &bytes[at..at + needle.len()] == needle)
        .collect();
    assert!(!places.is_empty(), "the log holds votes as they were sent");
    for at in places {
        bytes[at + 2] ^= 4;
    }
    fs::write(path, bytes).expect("the log is written");
}

fn run(home: &Home, command: &[&str]) -> (bool, String) {
    let output = home.refused(command);
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn damage_to_a_part_of_the_log_that_checkpoints_have_is_warned_of_and_found_by_verify() {
    let server = voted().start(&FLAGS);
    assert_eq!(server.client().vote(&votes::vote(VOTER)).status, 202);
    let expected = counted(&server);
    let home = server.terminate().1;
    let (is_whole, said) = run(&home, &["verify"]);
    assert!(is_whole && said.contains("all is whole"), "{said}");
    damage_log(&home);
    let (is_whole, said) = run(&home, &["verify"]);
    assert!(!is_whole && said.contains("DAMAGED: partition"), "{said}");
    let server = home.start(&FLAGS);
    assert_eq!(counted(&server), expected);
    until("the damage is warned of", || {
        (warnings(&server) == ["log_damaged"]).then_some(())
    });
    assert_eq!(server.client().vote(&votes::vote("one more")).status, 202);
    server.settled();
    // What only the log has cannot be counted without it, and that is said.
    let home = server.terminate().1;
    let (_, said) = run(&home, &["--recount"]);
    assert!(said.contains("is damaged in partition"), "{said}");
}

#[test]
fn a_lost_key_is_made_good_though_the_start_is_cut_short() {
    let server = voted().start(&FLAGS);
    let expected = counted(&server);
    let mut home = server.terminate().1;
    fs::remove_file(home.path().join("data/key")).expect("the key is lost");
    for _ in 0..2 {
        let server = home.start(&["--checkpoint-every", "1h"]);
        assert_eq!(counted(&server), expected);
        home = server.kill();
    }
    assert_eq!(counted(&home.start(&FLAGS)), expected);
}

#[test]
fn a_backup_of_a_running_service_gives_the_same_counts() {
    let server = voted().start(&FLAGS);
    let expected = counted(&server);
    let seen = b"what the public has seen, with --disclose-min";
    fs::write(server.home().path().join("data/disclosed-0.json"), seen).expect("it is written");
    let backup = server.home().path().join("backup");
    let directory = backup.to_str().expect("a path in UTF-8");
    let (is_made, said) = run(server.home(), &["backup", directory]);
    assert!(
        is_made && said.contains("neither the key nor a token"),
        "{said}"
    );
    assert_eq!(
        fs::read(backup.join("disclosed-0.json")).expect("it is copied"),
        seen
    );
    for secret in ["key", "token", "tokens.toml"] {
        assert!(!backup.join(secret).exists(), "{secret} is in the copy");
    }
    let (is_made, said) = run(server.home(), &["backup", directory]);
    assert!(!is_made && said.contains("is not empty"), "{said}");
    let mut home = server.terminate().1;
    let data = home.path().join("data");
    // With the key it goes on from the checkpoint, without it from the log.
    let key = fs::read(data.join("key")).expect("a key");
    for has_key in [true, false] {
        fs::remove_dir_all(&data).expect("the data goes");
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .arg(&backup)
            .arg(&data)
            .status();
        assert!(copied.expect("cp runs").success());
        if has_key {
            fs::write(data.join("key"), &key).expect("the key is put back");
        }
        let server = home.start(&FLAGS);
        assert_eq!(counted(&server), expected);
        let expected_warnings: &[&str] = if has_key { &[] } else { &["key_lost"] };
        assert_eq!(warnings(&server), expected_warnings);
        home = server.terminate().1;
    }
}
