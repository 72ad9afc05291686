//! A limit on memory: no more votes are taken at it, and all that were are counted and served.

use std::process::Command;

use serde_json::Value;

use crate::support::{Home, Server, until, votes};

const BATCH: u64 = 8_000;

fn batch(number: u64) -> String {
    let vote = |vote| votes::vote(&format!("voter-{number}-{vote}"));
    (0..BATCH).map(vote).collect::<Vec<_>>().join("\n")
}

/// Writes until no more is taken; how many were acknowledged.
fn fill(server: &Server) -> u64 {
    let headers = [("Content-Type", "application/x-ndjson")];
    let mut number = 0;
    until("no more votes are taken", || {
        let client = server.client();
        let answer = client.send("POST", "/api/v1/votes", &headers, batch(number).as_bytes());
        match answer.status {
            202 => number += 1,
            503 => {}
            507 => {
                let problem = answer.problem();
                assert_eq!(problem["type"], "urn:tallyflow:problem:memory-full");
                return Some(number * BATCH);
            }
            status => panic!("{status}: {}", answer.problem()),
        }
        None
    })
}

fn warns(status: &Value) -> bool {
    let warnings = status["warnings"].as_array().expect("warnings");
    warnings.iter().any(|warning| warning["code"] == "memory")
}

/// Everything that was acknowledged is counted and served.
fn serves(server: &Server, acknowledged: u64) {
    let status = server.settled();
    assert_eq!(status["counts"]["accepted"], acknowledged);
    let results = server.client().get("/api/v1/results").json();
    assert_eq!(results["counts"]["accepted"], acknowledged);
}

#[test]
fn at_its_limit_of_memory_it_serves_and_takes_no_more_also_after_restarts() {
    let flags = ["--memory-max", "120MiB"];
    let server = Server::start_with(&flags);
    let acknowledged = fill(&server);
    assert!(acknowledged > 0);
    let status = server.client().get("/api/v1/status").json();
    assert!(warns(&status), "{status}");
    let metrics = server.client().get("/metrics").body;
    let metrics = String::from_utf8(metrics).expect("it is text");
    assert!(metrics.contains("tallyflow_memory_full 1"), "{metrics}");
    assert!(metrics.contains("tallyflow_memory_max_bytes 125829120"));
    serves(&server, acknowledged);
    let server = server.kill().start(&flags);
    serves(&server, acknowledged);
    let (ended, home) = server.terminate();
    assert!(ended.success(), "{ended}");
    serves(&home.start(&flags), acknowledged);
}

/// What starts a server with so much address space, in KiB.
fn limited(home: &Home, kib: u64) -> Command {
    let script = format!("ulimit -v {kib} && exec \"$0\" \"$@\"");
    home.command_by(&["sh", "-c", &script], &[])
}

#[test]
fn a_limit_of_the_system_is_kept_without_being_told() {
    const KIB: u64 = 260_000;
    let home = Home::new();
    let command = limited(&home, KIB);
    let server = home.start_by(command);
    let acknowledged = fill(&server);
    assert!(acknowledged > 0);
    serves(&server, acknowledged);
    // Twice, since a crash loop begins with one that works.
    let mut home = server.kill();
    for _ in 0..2 {
        let command = limited(&home, KIB);
        let server = home.start_by(command);
        serves(&server, acknowledged);
        home = server.kill();
    }
}
