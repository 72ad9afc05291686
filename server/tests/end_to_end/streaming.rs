//! The stream while votes are being cast: every frame agrees with itself, and the last one with
//! a fresh snapshot.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::laws::Page;
use crate::support::{Client, Server, Stream, laws, votes};

const BATCHES: usize = 60;
const BATCH: usize = 100;

/// Messages that are sent while something follows the stream.
const MESSAGES: u64 = (BATCHES * BATCH + 1) as u64;

/// Sends a town's votes, and a last one that changes the contest of the stream for certain.
fn vote(client: Client) {
    let mut town = votes::Town::new(7);
    for _ in 0..BATCHES {
        assert_eq!(client.vote(&town.lines(BATCH)).status, 202);
    }
    assert_eq!(client.vote(&votes::vote("the last")).status, 202);
}

/// Follows a stream until it shows so many messages, checking every frame.
fn follow(stream: &mut Stream, page: &mut Page, messages: u64) -> Vec<Value> {
    let mut changes = Vec::new();
    while page.messages() < messages {
        let change = stream.expect("change");
        page.take(&change);
        changes.push(change.data);
    }
    changes
}

#[test]
fn every_frame_agrees_under_load() {
    for flags in [&["-w", "1"], &["-w", "2"]] {
        let server = Server::start_with(flags);
        let mut mayor = Stream::open(server.address(), "?contest=mayor", None);
        let mut page = Page::default();
        page.take(&mayor.expect("snapshot"));
        let changes = std::thread::scope(|scope| {
            scope.spawn(|| vote(server.client()));
            follow(&mut mayor, &mut page, MESSAGES)
        });
        assert!(
            changes.len() > 5,
            "the votes were counted over {} ticks",
            changes.len()
        );
        let why = |change: &Value| {
            change["corrections"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        };
        assert!(
            changes.iter().any(|change| !why(change).is_empty()),
            "some ballots left a count"
        );
        laws::check_status(&server.settled());
        settle(&server, &mut mayor, page);
    }
}

/// Takes what is left of a stream and compares it with a fresh snapshot.
fn settle(server: &Server, stream: &mut Stream, mut page: Page) {
    let mut fresh = Page::default();
    fresh.take(&Stream::open(server.address(), "?contest=mayor", None).expect("snapshot"));
    while !page.is_same_as(&fresh) {
        page.take(&stream.expect("change"));
    }
}

#[test]
fn changes_come_at_most_once_an_interval() {
    const INTERVAL: Duration = Duration::from_millis(400);
    /// What a busy machine may delay one event more than the next.
    const JITTER: Duration = Duration::from_millis(150);
    let server = Server::start();
    let mut stream = Stream::open(server.address(), "?interval_ms=400", None);
    let mut page = Page::default();
    page.take(&stream.expect("snapshot"));
    let asked_at = Instant::now();
    assert_eq!(server.client().vote(&votes::vote("the first")).status, 202);
    page.take(&stream.expect("change"));
    assert!(asked_at.elapsed() < INTERVAL, "the first goes out at once");
    std::thread::scope(|scope| {
        scope.spawn(|| vote(server.client()));
        let mut last_at = Instant::now();
        while page.messages() < MESSAGES + 1 {
            page.take(&stream.expect("change"));
            assert!(
                last_at.elapsed() + JITTER > INTERVAL,
                "after {:?}",
                last_at.elapsed()
            );
            last_at = Instant::now();
        }
    });
    server.settled();
    settle(&server, &mut stream, page);
}

#[test]
fn contests_have_streams_of_their_own() {
    let server = Server::start();
    let mut council = Stream::open(server.address(), "?contest=council", None);
    let mut page = Page::default();
    page.take(&council.expect("snapshot"));
    assert_eq!(
        server.client().vote(&votes::vote("for the mayor")).status,
        202
    );
    server.settled();
    let line = votes::vote("for the council").replace('{', "{\"contest_id\":\"council\",");
    assert_eq!(server.client().vote(&line).status, 202);
    let change = council.expect("change");
    page.take(&change);
    assert_eq!(
        (&change.data["contest_id"], page.accepted()),
        (&"council".into(), 1)
    );
}

#[test]
fn a_stream_says_that_it_lives() {
    let server = Server::start();
    let mut stream = Stream::open(server.address(), "", None);
    let snapshot = stream.expect("snapshot");
    let alive = [stream.expect("alive"), stream.expect("alive")];
    for event in &alive {
        assert_eq!((event.id, &event.data["lag"]), (None, &0.into()));
        // A tick in which nothing of the contest changed is one all the same.
        assert!(event.data["tick"].as_u64() >= snapshot.id);
        assert!(
            event.data["now"]
                .as_str()
                .is_some_and(|now| now.ends_with('Z'))
        );
    }
    assert!(alive[0].data["now"].as_str() < alive[1].data["now"].as_str());
}

#[test]
fn at_the_end_every_stream_ends_itself() {
    let server = Server::start();
    let mut streams: Vec<_> = ["", "?interval_ms=1000", "?contest=council"]
        .map(|query| Stream::open(server.address(), query, None))
        .into();
    for stream in &mut streams {
        stream.expect("snapshot");
    }
    let (ended, _home) = server.terminate();
    assert!(ended.success(), "{ended}");
    for mut stream in streams {
        while let Some(event) = stream.next() {
            assert_eq!(event.name, "alive");
        }
    }
}

#[test]
fn a_register_that_changes_reaches_the_stream() {
    let server = Server::start();
    let mut stream = Stream::open(server.address(), "", None);
    let mut page = Page::default();
    page.take(&stream.expect("snapshot"));
    assert_eq!(server.client().vote(&votes::vote("a")).status, 202);
    page.take(&stream.expect("change"));
    let mut register = votes::register();
    register["candidates"][0]["candidate_name"] = "Renamed".into();
    server.home().write_register(&register);
    let change = stream.expect("change");
    page.take(&change);
    let names = change.data["results"]["candidates"]
        .as_array()
        .expect("rows")
        .iter();
    let names: Vec<_> = names
        .filter_map(|row| row["candidate_name"].as_str())
        .collect();
    assert_eq!(names, ["Renamed"]);
    settle(&server, &mut stream, page);
}
