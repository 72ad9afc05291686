//! A subscriber that does not read: it delays nobody, gets merged changes when it reads again,
//! and is dropped when it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crate::support::laws::Page;
use crate::support::{Client, Server, Stream, metric, until, votes};

/// How many changes the slow subscriber must have fallen behind before it reads again. Until
/// then the sockets in between have taken all that came, so it was not slow to the server.
const BEHIND: u64 = 20;

/// Tells the voter to stop, also when the test fails, which else would wait for it for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Votes until told to stop. One request after another, so that a tick follows a tick, and of one
/// vote each, so that event time, which passes with the votes, stays within the windows of a page.
fn vote<'scope>(
    scope: &'scope Scope<'scope, '_>,
    client: Client,
    stop: &'scope AtomicBool,
) -> Stop<'scope> {
    scope.spawn(move || {
        let mut town = votes::Town::new(11);
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(client.vote(&town.lines(1)).status, 202);
        }
    });
    Stop(stop)
}

#[test]
fn a_slow_subscriber_gets_merged_changes_and_delays_nobody() {
    let server = Server::start();
    let stop = AtomicBool::new(false);
    let (mut slow, mut quick) = (Page::default(), Page::default());
    let mut slow_stream = Stream::open(server.address(), "", None);
    let mut quick_stream = Stream::open(server.address(), "", None);
    let mut changes = 0;
    std::thread::scope(|scope| {
        let _stop = vote(scope, server.client(), &stop);
        quick.take(&quick_stream.expect("snapshot"));
        while metric(server.client(), "tallyflow_frames_sent_total") + BEHIND > 2 * changes {
            quick.take(&quick_stream.expect("change"));
            changes += 1;
        }
    });
    server.settled();
    let mut last = Page::default();
    last.take(&Stream::open(server.address(), "", None).expect("snapshot"));
    slow.take(&slow_stream.expect("snapshot"));
    let mut merged = 0;
    while !slow.is_same_as(&last) {
        slow.take(&slow_stream.expect("change"));
        merged += 1;
    }
    assert!(merged < changes, "{merged} changes of {changes}");
    let dropped = metric(server.client(), "tallyflow_streams_dropped_total");
    assert_eq!(dropped, 0);
}

#[test]
fn a_subscriber_that_never_reads_is_dropped() {
    let server = Server::start();
    let stop = AtomicBool::new(false);
    let _never_read = Stream::open(server.address(), "", None);
    std::thread::scope(|scope| {
        let _stop = vote(scope, server.client(), &stop);
        until("the subscriber is dropped", || {
            let dropped = metric(server.client(), "tallyflow_streams_dropped_total");
            (dropped == 1).then_some(())
        });
    });
}
