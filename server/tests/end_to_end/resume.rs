//! Coming back to a stream: the changes since, as one, or a reset that says why not.

use std::collections::BTreeMap;

use crate::support::laws::Page;
use crate::support::{Event, Server, Stream, votes};

/// What a client held after each of some events, and how those events came.
struct Course {
    pages: Vec<Page>,
    events: Vec<Event>,
}

/// Votes so that each batch is counted before the next comes.
fn course(server: &Server, batches: usize) -> Course {
    let mut stream = Stream::open(server.address(), "", None);
    let mut page = Page::default();
    let mut course = Course {
        pages: Vec::new(),
        events: Vec::new(),
    };
    let mut town = votes::Town::new(3);
    let mut event = stream.expect("snapshot");
    loop {
        page.take(&event);
        course.pages.push(page.clone());
        course.events.push(event);
        if course.pages.len() > batches {
            return course;
        }
        assert_eq!(server.client().vote(&town.lines(200)).status, 202);
        event = stream.expect("change");
    }
}

/// How many ballots left which count, and why, summed over changes.
fn corrections<'a>(changes: impl IntoIterator<Item = &'a Event>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in changes
        .into_iter()
        .flat_map(|change| change.data["corrections"].as_array())
        .flatten()
    {
        let key = format!("{} {}", row["candidate_id"], row["why"]);
        *sums.entry(key).or_default() += row["minus"].as_u64().expect("a count");
    }
    sums
}

#[test]
fn a_resume_gets_one_change_that_is_the_sum() {
    let server = Server::start();
    let course = course(&server, 6);
    server.settled();
    let last = course.pages.last().expect("pages").clone();
    for (place, page) in course.pages[..6].iter().enumerate() {
        let id = page.tick.to_string();
        for (query, header) in [
            (String::new(), Some(id.as_str())),
            (format!("?after={id}"), None),
        ] {
            let mut stream = Stream::open(server.address(), &query, header);
            let change = stream.expect("change");
            let mut resumed = page.clone();
            resumed.take(&change);
            if resumed.tick == last.tick {
                assert!(resumed.is_same_as(&last), "{resumed:?} {last:?}");
                let after = &course.events[place + 1..];
                assert_eq!(corrections([&change]), corrections(after), "from {place}");
            }
        }
    }
    assert!(
        !corrections(&course.events).is_empty(),
        "the votes correct something"
    );
}

#[test]
fn a_resume_from_the_newest_tick_gets_what_comes_next() {
    let server = Server::start();
    let course = course(&server, 1);
    let mut page = course.pages[1].clone();
    // A batch may be counted in two ticks: then there is something to catch up with.
    let mut stream = Stream::open(server.address(), "", Some(&page.tick.to_string()));
    let before = page.accepted();
    assert_eq!(
        server.client().vote(&votes::vote("the next one")).status,
        202
    );
    while page.accepted() == before {
        page.take(&stream.expect("change"));
    }
}

#[test]
fn the_header_goes_before_the_query() {
    let server = Server::start();
    let course = course(&server, 3);
    let (first, last) = (course.pages[0].tick, course.pages[3].tick);
    let query = format!("?after={first}");
    let mut stream = Stream::open(server.address(), &query, Some(&last.to_string()));
    assert_eq!(server.client().vote(&votes::vote("another")).status, 202);
    let mut page = course.pages[3].clone();
    page.take(&stream.expect("change"));
}

#[test]
fn an_unknown_tick_gets_a_reset_and_a_snapshot() {
    let server = Server::start();
    let course = course(&server, 1);
    let tick = course.pages[1].tick;
    let unknown = [
        "0".to_string(),
        "17".to_string(),
        (tick - 1).to_string(),
        u64::MAX.to_string(),
        "x".to_string(),
    ];
    for last in unknown {
        let mut stream = Stream::open(server.address(), "", Some(&last));
        let reset = stream.expect("reset");
        assert_eq!(reset.data["reason"], "unknown_tick", "{last}");
        assert_eq!(reset.id, None);
        let snapshot = stream.expect("snapshot");
        assert_eq!(reset.data["tick"], snapshot.data["tick"]);
        Page::default().take(&snapshot);
    }
}

#[test]
fn after_a_restart_earlier_ticks_are_unknown_and_behind() {
    let server = Server::start();
    let course = course(&server, 2);
    server.settled();
    let before = course.pages[2].clone();
    let server = server.terminate().1.start(&[]);
    let mut stream = Stream::open(server.address(), "", Some(&before.tick.to_string()));
    assert_eq!(stream.expect("reset").data["reason"], "unknown_tick");
    let snapshot = stream.expect("snapshot");
    assert!(snapshot.id > Some(before.tick), "ticks never go back");
    let mut after = Page::default();
    after.take(&snapshot);
    assert!(after.accepted() >= before.accepted());
}
