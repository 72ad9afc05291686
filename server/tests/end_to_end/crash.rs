//! `kill -9` between POST and restart: what was acknowledged is counted, nothing twice, and
//! neither ticks nor offsets go back.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};

use serde_json::Value;

use crate::support::laws::{Page, check_status};
use crate::support::{Client, Home, Server, Stream, votes};

const CRASHES: usize = 10;
const WRITERS: usize = 3;
const BATCH: usize = 40;

/// A batch of votes of voters of its own.
fn batch(round: usize, writer: usize, number: usize) -> String {
    let voter = |vote| votes::vote(&format!("{round}-{writer}-{number}-{vote}"));
    (0..BATCH).map(voter).collect::<Vec<_>>().join("\n")
}

/// What came of one batch.
enum Sent {
    Stored(BTreeMap<String, i64>),
    Unanswered(String),
}

/// Sends batches until the server is gone.
fn write(client: Client, round: usize, writer: usize, sent: Sender<Sent>) {
    for number in 0.. {
        let lines = batch(round, writer, number);
        let headers = [("Content-Type", "application/x-ndjson")];
        let answer = client.try_send("POST", "/api/v1/votes", &headers, lines.as_bytes());
        match answer {
            Ok(answer) if answer.status == 202 => {
                let offsets = serde_json::from_value(answer.json()["offsets"].clone());
                sent.send(Sent::Stored(offsets.expect("offsets")))
                    .expect("the test waits");
            }
            Ok(answer) if answer.status == 503 => (),
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => return sent.send(Sent::Unanswered(lines)).expect("the test waits"),
        }
    }
}

/// What the writers of a round came to.
#[derive(Default)]
struct Round {
    stored: u64,
    offsets: BTreeMap<String, i64>,
    unanswered: Vec<String>,
}

/// Lets writers write and kills the server after so many acknowledgements.
fn crash(server: Server, round: usize) -> (Round, u64, Home) {
    let (sent, outcomes) = mpsc::channel();
    let mut stream = Stream::open(server.address(), "", None);
    let mut seen = stream.expect("snapshot").id.expect("a tick");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, sent) = (server.client(), sent.clone());
            std::thread::spawn(move || write(client, round, writer, sent))
        })
        .collect();
    drop(sent);
    let mut came = Round::default();
    let mut server = Some(server);
    let mut home = None;
    // Each round ends at another moment, so that crashes meet all that a server does.
    let enough = (3 + 5 * round) as u64;
    for outcome in outcomes {
        match outcome {
            Sent::Stored(offsets) => {
                came.stored += 1;
                for (partition, next) in offsets {
                    let before = came.offsets.entry(partition).or_default();
                    *before = next.max(*before);
                }
            }
            Sent::Unanswered(lines) => came.unanswered.push(lines),
        }
        if came.stored >= enough
            && let Some(server) = server.take()
        {
            seen = seen.max(newest(&server));
            home = Some(server.kill());
        }
    }
    for writer in writers {
        writer.join().expect("a writer ends well");
    }
    (came, seen, home.expect("the server was killed"))
}

fn newest(server: &Server) -> u64 {
    server.client().get("/api/v1/results").json()["tick"]
        .as_u64()
        .expect("a tick")
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_counts_twice() {
    let mut home = Home::new();
    let mut batches = 0;
    for round in 0..CRASHES {
        let server = home.start(&["-w", if round % 2 == 0 { "1" } else { "2" }]);
        let (came, seen, left) = crash(server, round);
        let server = left.start(&[]);
        let results = server.client().get("/api/v1/results").json();
        assert!(results["tick"].as_u64() > Some(seen), "ticks never go back");
        check_restarted(&results, &came, batches);
        // After a 5xx or no answer the same is sent again.
        for lines in &came.unanswered {
            assert_eq!(server.client().vote(lines).status, 202);
        }
        batches += came.stored + came.unanswered.len() as u64;
        let status = server.settled();
        check_status(&status);
        assert_eq!(
            status["counts"]["accepted"],
            batches * BATCH as u64,
            "round {round}"
        );
        assert_eq!(status["received"], batches * BATCH as u64);
        Page::default().take(&Stream::open(server.address(), "", None).expect("snapshot"));
        home = server.kill();
    }
}

/// Results are not served before all that was acknowledged is in them.
fn check_restarted(results: &Value, came: &Round, batches: u64) {
    for (partition, next) in &came.offsets {
        assert!(
            results["offsets"][partition].as_i64() >= Some(*next),
            "{partition}"
        );
    }
    let accepted = results["counts"]["accepted"].as_u64().expect("a count");
    let least = (batches + came.stored) * BATCH as u64;
    let most = least + came.unanswered.len() as u64 * BATCH as u64;
    assert!(
        (least..=most).contains(&accepted),
        "{accepted} in {least}..={most}"
    );
    assert_eq!(
        accepted % BATCH as u64,
        0,
        "a request is stored whole or not at all"
    );
}
