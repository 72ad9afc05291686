//! The HTTP target against a server of a few lines: busy, forgetful, strict and gone.

mod recount;
mod server;

use std::ops::ControlFlow;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use producer::election::Simulation;
use producer::target::{HttpOptions, HttpTarget};
use producer::{Delivery, Election, Options, Rate, Replay, Shares, TargetError, deliver};
use recount::{decode, recount};
use server::{Answer, Request, serve};

type Log = Arc<Mutex<Vec<Vec<u8>>>>;

const SHARES: Shares = Shares {
    duplicates: 0.05,
    revotes: 0.05,
    voids: 0.05,
    late: 0.05,
    malformed: 0.01,
};

fn election() -> Election {
    let simulation = Simulation {
        voters: 20_000,
        candidates: 4,
        locations: 6,
        seed: 1,
    };
    Election::simulated(simulation).expect("it is sound")
}

fn replay(shares: Shares) -> Replay {
    let options = Options {
        shares,
        ..Options::default()
    };
    Replay::new(&election(), &options).expect("the shares fit")
}

/// Stores what is sent as a server does: all of a request or, with a bad line in it, nothing.
fn store(log: &Log, request: &Request) -> Answer {
    let bad = request.lines().find_map(|line| decode(line).err());
    if let Some(reason) = bad {
        return Answer::Status(400, format!("line 1: {reason}"));
    }
    let mut log = log.lock().expect("no test panics with the log");
    let before = log.len();
    log.extend(request.lines().map(<[u8]>::to_vec));
    Answer::Status(
        202,
        format!(r#"{{"stored":{},"offsets":{{}}}}"#, log.len() - before),
    )
}

fn send(
    replay: &mut Replay,
    options: &HttpOptions,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Result<Delivery, TargetError> {
    let address = serve(answer);
    let mut target = HttpTarget::new(&format!("http://{address}"), options);
    deliver(replay, &mut target, Rate::Max, &mut |_| {
        ControlFlow::Continue(())
    })
}

/// What is in the log is what was expected, but for what was sent again.
fn check(replay: &Replay, delivery: &Delivery, log: &Log) {
    let log = log.lock().expect("no test panics with the log");
    let found = recount(log.iter().map(Vec::as_slice), &election().register());
    let expected = replay.expected().clone().after(delivery);
    let extra = found.messages - expected.totals.messages;
    assert!(
        extra <= expected.sent_again,
        "{extra} extra, {} sent again",
        expected.sent_again
    );
    assert_eq!(found.duplicates, expected.totals.duplicates + extra);
    let refused: u64 = replay.expected().totals.refused.values().sum();
    assert_eq!(delivery.turned_away, refused);
    assert_eq!(delivery.stored, expected.totals.messages);
    assert!(found.refused.is_empty() && expected.totals.refused.is_empty());
    let counts = expected.totals.counts;
    let found = (
        found.received,
        found.accepted,
        found.superseded,
        found.voided,
        found.voids,
    );
    let (voids, superseded) = (expected.totals.voids, counts.superseded);
    assert_eq!(
        found,
        (
            counts.received,
            counts.accepted,
            superseded,
            counts.voided,
            voids
        )
    );
}

#[test]
fn all_is_stored_and_what_is_malformed_turned_away() {
    let log = Log::default();
    let mut replay = replay(SHARES);
    let shared = log.clone();
    let options = HttpOptions {
        token: Some("secret".to_string()),
        ..HttpOptions::default()
    };
    let delivery = send(&mut replay, &options, move |request| {
        assert_eq!(request.line, "POST /api/v1/votes HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
        match request.header("authorization") {
            Some("Bearer secret") => store(&shared, request),
            _ => Answer::Status(401, String::new()),
        }
    });
    let delivery = delivery.expect("the server takes all");
    assert_eq!(delivery.sent_again, 0);
    check(&replay, &delivery, &log);
}

#[test]
fn the_command_shows_the_token_of_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("token");
    std::fs::write(&file, "secret-of-a-file\nanother line\n").expect("it is written");
    let log = Log::default();
    let shared = log.clone();
    let address = serve(move |request| match request.header("authorization") {
        Some("Bearer secret-of-a-file") => store(&shared, request),
        _ => Answer::Status(401, String::new()),
    });
    let to = format!("http://{address}");
    let given = ["TALLYFLOW_TOKEN", "TALLYFLOW_TOKEN_FILE"];
    for by_flag in [true, false] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
        for name in given {
            command.env_remove(name);
        }
        command.args(["simulate", "--voters", "50", "--to", &to]);
        match by_flag {
            true => command.arg("--token-file").arg(&file),
            false => command.env("TALLYFLOW_TOKEN_FILE", &file),
        };
        let output = command.output().expect("the command can be run");
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(log.lock().expect("no test panics with the log").len(), 100);
}

#[test]
fn a_busy_or_forgetful_server_gets_the_same_again() {
    let log = Log::default();
    let mut replay = replay(SHARES);
    let shared = log.clone();
    let delivery = send(&mut replay, &HttpOptions::default(), move |request| {
        match request.number % 6 {
            0 => Answer::Status(503, "not yet".to_string()),
            1 => Answer::Status(429, "too many".to_string()),
            2 => {
                // It stores the votes, but nobody hears of it.
                store(&shared, request);
                Answer::HangUp
            }
            3 => {
                store(&shared, request);
                Answer::Status(500, "lost the thread".to_string())
            }
            _ => store(&shared, request),
        }
    });
    let delivery = delivery.expect("the server takes all in the end");
    assert!(delivery.sent_again > 0);
    check(&replay, &delivery, &log);
}

#[test]
fn bodies_too_large_for_the_server_come_in_halves() {
    let log = Log::default();
    let mut replay = replay(SHARES);
    let shared = log.clone();
    let delivery = send(
        &mut replay,
        &HttpOptions::default(),
        move |request| match request.body.len() {
            0..10_000 => store(&shared, request),
            _ => Answer::Status(413, "too large".to_string()),
        },
    );
    check(
        &replay,
        &delivery.expect("the server takes all in small pieces"),
        &log,
    );
}

/// A server that answers so ends the sending with an error that says so.
fn check_error(status: u16, text: &'static str, shares: Shares, words: &str) {
    let sent = send(&mut replay(shares), &HttpOptions::default(), move |_| {
        Answer::Status(status, text.to_string())
    });
    let said = sent.expect_err("the server does not take it").to_string();
    assert!(said.contains(words), "'{said}' does not say '{words}'");
}

#[test]
fn answers_that_no_patience_mends_are_errors() {
    let none = Shares::default();
    check_error(
        400,
        "line 3: missing_field",
        none,
        "status 400: line 3: missing_field",
    );
    check_error(401, "", none, "--token-file");
    check_error(403, "ask localhost", none, "status 403: ask localhost");
    check_error(404, "", none, "is it a tallyflow server?");
    check_error(413, "", none, "status 413");
    check_error(202, r#"{"stored":1}"#, none, "acknowledged 1 of");
    check_error(202, "hello", none, "an unknown number");
}

#[test]
fn a_server_that_takes_malformed_messages_is_found_out() {
    let only_malformed = Shares {
        malformed: 1.0,
        ..Shares::default()
    };
    let sent = send(
        &mut replay(only_malformed),
        &HttpOptions::default(),
        |request| {
            let lines = request.lines().count();
            Answer::Status(202, format!(r#"{{"stored":{lines}}}"#))
        },
    );
    assert!(
        matches!(sent, Err(TargetError::TookMalformed { .. })),
        "{sent:?}"
    );
}

#[test]
fn patience_ends() {
    let options = HttpOptions {
        patience: Duration::from_millis(100),
        patience_at_first: Duration::from_millis(100),
        ..HttpOptions::default()
    };
    let busy = send(&mut replay(SHARES), &options, |_| {
        Answer::Status(503, "full".to_string())
    });
    assert!(
        matches!(busy, Err(TargetError::Busy { status: 503, .. })),
        "{busy:?}"
    );
    let gone = send(&mut replay(SHARES), &options, |_| Answer::HangUp);
    assert!(
        matches!(gone, Err(TargetError::Unreachable { .. })),
        "{gone:?}"
    );
}

#[test]
fn a_paced_replay_takes_its_time() {
    let log = Log::default();
    let shared = log.clone();
    let address = serve(move |request| store(&shared, request));
    let mut replay = replay(Shares::default());
    replay.skip(replay.messages_total() - 1000);
    let mut target = HttpTarget::new(&format!("http://{address}"), &HttpOptions::default());
    let rate = "5000".parse().expect("it is a rate");
    let started = std::time::Instant::now();
    let mut positions = Vec::new();
    let sent = deliver(&mut replay, &mut target, rate, &mut |position| {
        positions.push(position);
        ControlFlow::Continue(())
    });
    assert_eq!(sent.expect("the server takes all").stored, 1000);
    // The last batch is due 20 ms before the end of the 200 that all take.
    assert!(started.elapsed() >= Duration::from_millis(180));
    assert!(positions.is_sorted() && positions.len() >= 10);
    assert_eq!(log.lock().expect("no test panics with the log").len(), 1000);
}
