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
