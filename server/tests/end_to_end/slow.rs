//! A subscriber that does not read: it delays nobody, gets merged changes when it reads again,
//! and is dropped when it does not.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::laws::Page;
use crate::support::{Client, Server, Stream, until, votes};

/// How many changes a quick subscriber gets before the slow one reads again; far more bytes than
/// the sockets between hold.
const CHANGES: usize = 150;

/// Votes until told to stop. One connection after another, so that a tick follows a tick.
fn vote_until(client: Client, stop: &AtomicBool) {
    let mut town = votes::Town::new(11);
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(client.vote(&town.lines(20)).status, 202);
    }
}

fn streams_dropped(client: Client) -> bool {
    let text = String::from_utf8(client.get("/metrics").body).expect("text");
    text.lines()
        .any(|line| line == "tallyflow_streams_dropped_total 1")
}

#[test]
fn a_slow_subscriber_gets_merged_changes_and_delays_nobody() {
    let server = Server::start();
    let stop = AtomicBool::new(false);
    let (mut slow, mut quick) = (Page::default(), Page::default());
    let mut slow_stream = Stream::open(server.address(), "", None);
    let mut quick_stream = Stream::open(server.address(), "", None);
    std::thread::scope(|scope| {
        scope.spawn(|| vote_until(server.client(), &stop));
        quick.take(&quick_stream.expect("snapshot"));
        for _ in 0..CHANGES {
            quick.take(&quick_stream.expect("change"));
        }
        stop.store(true, Ordering::Relaxed);
    });
    server.settled();
    let mut last = Page::default();
    last.take(&Stream::open(server.address(), "", None).expect("snapshot"));
    slow.take(&slow_stream.expect("snapshot"));
    let mut changes = 0;
    while !slow.is_same_as(&last) {
        slow.take(&slow_stream.expect("change"));
        changes += 1;
    }
    assert!(
        changes < CHANGES,
        "{changes} changes are as many as there were"
    );
    assert!(!streams_dropped(server.client()));
}

#[test]
fn a_subscriber_that_never_reads_is_dropped() {
    let server = Server::start();
    let stop = AtomicBool::new(false);
    let _never_read = Stream::open(server.address(), "", None);
    std::thread::scope(|scope| {
        scope.spawn(|| vote_until(server.client(), &stop));
        until("the subscriber is dropped", || {
            streams_dropped(server.client()).then_some(())
        });
        stop.store(true, Ordering::Relaxed);
    });
}
