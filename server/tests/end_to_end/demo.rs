//! The demo: a real election from its single ballots to its official totals, in a directory of
//! its own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Home, Server, until};

const DEMO: &[&str] = &["--demo", "montreal-2013"];

/// The replay takes ninety seconds, and a busy machine its time.
const REPLAY_MAX: Duration = Duration::from_secs(300);

fn status(server: &Server) -> Value {
    server.client().get("/api/v1/status").json()
}

fn messages(server: &Server) -> u64 {
    status(server)["messages"].as_u64().unwrap_or_default()
}

/// The answers of a demo, without what differs from run to run.
fn counted(server: &Server) -> Vec<Value> {
    let routes = [
        "results",
        "locations?parent=*",
        "windows?limit=1000",
        "series",
    ];
    let answers = routes.map(|route| {
        let mut answer = server.client().get(&format!("/api/v1/{route}")).json();
        let fields = answer.as_object_mut().expect("an object");
        for varies in ["tick", "as_of"] {
            fields.remove(varies);
        }
        answer
    });
    answers.into()
}

#[test]
fn the_demo_meets_the_official_totals_through_a_crash_and_with_any_workers() {
    let server = Home::new().start(DEMO);
    until("some votes are counted", || {
        (messages(&server) > 5_000).then_some(())
    });
    let before = messages(&server);
    let server = server.kill().start(DEMO);
    assert!(messages(&server) >= before, "what was published stays");

    let started = Instant::now();
    while status(&server)["demo"]["state"] != "finished" {
        assert!(started.elapsed() < REPLAY_MAX, "{}", status(&server));
        std::thread::park_timeout(Duration::from_millis(200));
    }
    server.settled();
    let one = counted(&server);
    let results = &one[0];
    assert_eq!(results["counts"]["accepted"], 391_166);
    let rows = results["candidates"].as_array().expect("candidates");
    let votes: Vec<_> = rows
        .iter()
        .map(|row| json!([row["candidate_id"], row["votes"]]))
        .collect();
    let official = json!([
        ["coderre", 149_467],
        ["joly", 123_062],
        ["bergeron", 118_637]
    ]);
    assert_eq!(json!(votes), official);
    let locations = one[1]["locations"].as_array().expect("locations");
    let led = |id: &str| locations.iter().filter(|row| row["leader"] == id).count();
    assert_eq!([led("coderre"), led("joly"), led("bergeron")], [29, 14, 15]);

    let mut home = server.terminate().1;
    for workers in ["2", "3"] {
        let server = home.start(&[DEMO, &["-w", workers]].concat());
        assert!(counted(&server) == one, "{workers} workers count the same");
        home = server.kill();
    }
}

#[test]
fn the_demo_touches_only_a_directory_that_it_made() {
    let home = Home::new();
    let refused = |home: &Home, flags: &[&str], part: &str| {
        let output = home.refused(flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(part),
            "{part}: {said}"
        );
    };
    let data = home.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    let precious = data.join("precious");
    std::fs::write(&precious, "mine").expect("a file");
    refused(&home, DEMO, "the demo did not make it");
    refused(
        &home,
        &["--demo", "montreal-2013", "--fresh"],
        "the demo did not make it",
    );
    assert_eq!(std::fs::read(&precious).expect("it is there"), b"mine");
    std::fs::remove_file(precious).expect("it is removed");

    let server = home.start(DEMO);
    until("some votes are counted", || {
        (messages(&server) > 0).then_some(())
    });
    let home = server.kill();
    refused(&home, &[], "it holds the demo's votes");
    refused(
        &home,
        &["--demo", "uk-2019"],
        "it holds the demo montreal-2013",
    );
    refused(
        &home,
        &["--demo", "atlantis"],
        "there is no demo 'atlantis'",
    );

    // Real votes are no demo, whatever is asked for.
    let server = Server::start();
    let home = server.kill();
    refused(&home, DEMO, "the demo did not make it");
    refused(&home, &["--fresh"], "--fresh starts a demo anew");
}

#[test]
fn fresh_starts_the_demo_anew() {
    let server = Home::new().start(DEMO);
    until("many votes are counted", || {
        (messages(&server) > 20_000).then_some(())
    });
    let server = server.kill().start(&[DEMO, &["--fresh"]].concat());
    assert!(messages(&server) < 20_000, "it began anew");
}

#[test]
fn what_this_version_cannot_do_it_says() {
    let home = Home::new();
    for (flags, part) in [
        (
            &["--kafka-option", "sasl.password=hunter2"][..],
            "is for votes from kafka",
        ),
        (&["--kafka", "127.0.0.1:9092", "-n", "2"], "--local-cluster"),
        (
            &[
                "--kafka",
                "127.0.0.1:9092",
                "--kafka-option",
                "isolation.level=read_uncommitted",
            ],
            "isolation.level",
        ),
        (&["--kafka", "127.0.0.1:9092", "--fresh"], "log of its own"),
        (
            &["--postgres", "postgres://u:hunter2@:x/db"],
            "address of postgresql",
        ),
        (&["-n", "2"], "belongs to one process"),
        (&["-p", "1"], "go with -n"),
        (
            &[
                "--kafka",
                "127.0.0.1:9092",
                "-n",
                "2",
                "--hostfile",
                "hosts",
            ],
            "--cluster-secret",
        ),
        (&["--topic", "a/b"], "no name for a topic"),
        (&["--token", "secret"], "has 6 characters"),
    ] {
        let output = home.refused(flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(part),
            "{part}: {said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}
