//! What strangers cannot exceed.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Instant;

use crate::support::{Server, Stream, TOKEN, metric, read, until, votes};

/// The default limit of a body.
const BODY_BYTES_MAX: usize = 8 << 20;

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

#[test]
fn a_body_over_the_limit_is_refused_however_it_is_sent() {
    let server = Server::start();
    let client = server.client();
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let headers = [&[LINES], headers].concat();
        client.send("POST", "/api/v1/votes", &headers, body)
    };
    let line = votes::vote("a") + "\n";
    let large = line.repeat(BODY_BYTES_MAX / line.len() + 1);
    assert_eq!(post(&[], large.as_bytes()).problem()["status"], 413);
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let encoding = ("Transfer-Encoding", "chunked");
    assert_eq!(
        post(&[encoding], chunked.as_bytes()).problem()["status"],
        413
    );
    // Refused by what it announces, before any of it is read.
    assert_eq!(
        post(&[("Content-Length", "99999999999")], b"").problem()["status"],
        413
    );
    assert_eq!(server.settled()["messages"], 0);
    let fits = line.repeat(BODY_BYTES_MAX / line.len());
    let stored = post(&[], fits.as_bytes());
    assert_eq!(stored.status, 202);
    assert_eq!(stored.json()["stored"], fits.len() / line.len());
}

#[test]
fn a_head_without_end_is_cut() {
    let server = Server::start();
    let mut socket = TcpStream::connect(server.address()).expect("the server is there");
    socket
        .write_all(b"GET / HTTP/1.1\r\n")
        .expect("the first line is sent");
    let mut sent = 0_usize;
    let cut = loop {
        let line = format!("x-{sent}: {}\r\n", "y".repeat(1000));
        match socket.write_all(line.as_bytes()) {
            Ok(()) => sent += line.len(),
            Err(_) => break true,
        }
        if sent > 64 << 20 {
            break false;
        }
    };
    assert!(cut, "the server took {sent} bytes of a head");
}

#[test]
fn a_broken_body_stores_nothing() {
    let server = Server::start();
    let mut socket = TcpStream::connect(server.address()).expect("the server is there");
    let vote = votes::vote("a");
    let head = format!(
        "POST /api/v1/votes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n",
        vote.len() + 1
    );
    socket.write_all(head.as_bytes()).expect("the head is sent");
    socket
        .write_all(vote.as_bytes())
        .expect("all but the last byte is sent");
    drop(socket);
    // The next request is answered after the broken one has been read as far as it came.
    assert_eq!(server.client().vote(&votes::vote("b")).status, 202);
    assert_eq!(server.settled()["messages"], 1);
}

/// Writes the head of a POST and all but the last byte of its body.
fn dribble(server: &Server, vote: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).expect("the server is there");
    let head = format!(
        "POST /api/v1/votes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        vote.len()
    );
    let most = vote.len() - 1;
    let sent = socket.write_all(head.as_bytes());
    sent.expect("the head is sent");
    let sent = socket.write_all(&vote.as_bytes()[..most]);
    sent.expect("all but the last byte is sent");
    socket
}

#[test]
fn slow_bodies_keep_no_other_from_writing() {
    let server = Server::start();
    let slow: Vec<_> = (0..300)
        .map(|number| dribble(&server, &votes::vote(&format!("slow {number}"))))
        .collect();
    let asked_at = Instant::now();
    for number in 0..10 {
        let stored = server.client().vote(&votes::vote(&format!("{number}")));
        assert_eq!(stored.status, 202);
    }
    // The first of them would be cut after ten seconds.
    assert!(asked_at.elapsed().as_secs() < 8, "{:?}", asked_at.elapsed());
    let mut stored = 10;
    for mut socket in slow {
        // One that was cut meanwhile was told so.
        let _ = socket.write_all(b"}");
        let status = read(socket, true).map(|answer| answer.status);
        let status = status.expect("an answer");
        assert!(matches!(status, 202 | 408), "{status}");
        stored += u64::from(status == 202);
    }
    assert_eq!(server.settled()["counts"]["accepted"], stored);
}

#[test]
fn thousands_of_intervals_do_not_lock_out_that_of_the_page() {
    let server = Server::start();
    let others: Vec<_> = (1000..5096)
        .map(|interval_ms| {
            let mut socket = TcpStream::connect(server.address()).expect("the server is there");
            let head = format!(
                "GET /api/v1/stream?interval_ms={interval_ms} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            );
            let sent = socket.write_all(head.as_bytes());
            sent.expect("the question is sent");
            socket
        })
        .collect();
    until("all of them are open", || {
        let open = metric(server.client(), "tallyflow_streams_open");
        (open == others.len() as u64).then_some(())
    });
    let mut page = Stream::open(server.address(), "?interval_ms=100", None);
    page.expect("snapshot");
}

#[test]
fn many_writers_at_once_are_all_answered() {
    let server = Server::start();
    let (answered, answers) = mpsc::channel();
    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let (client, answered) = (server.client(), answered.clone());
            std::thread::spawn(move || {
                for batch in 0..20 {
                    let lines: Vec<_> = (0..50)
                        .map(|vote| votes::vote(&format!("{writer}-{batch}-{vote}")))
                        .collect();
                    let status = client.vote(&lines.join("\n")).status;
                    answered
                        .send((status, lines.len() as u64))
                        .expect("the test waits");
                }
            })
        })
        .collect();
    drop(answered);
    let mut stored = 0;
    for (status, lines) in answers {
        assert!(matches!(status, 202 | 429 | 503), "{status}");
        stored += if status == 202 { lines } else { 0 };
    }
    for writer in writers {
        writer.join().expect("a writer ends well");
    }
    assert!(stored > 0);
    assert_eq!(server.settled()["counts"]["accepted"], stored);
}
