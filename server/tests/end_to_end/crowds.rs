//! Too many connections: what one address may have, what is left for others, and the door.

use std::net::SocketAddr;

use crate::support::{Answer, Client, Home, Server, Stream};

/// Opens streams until one is refused; more than that would be a fault.
fn fill(server: &Server, most: usize) -> Vec<Stream> {
    let mut streams = Vec::new();
    while let Ok(stream) = Stream::try_open(server.address(), "", None) {
        streams.push(stream);
        assert!(streams.len() <= most, "{} streams are open", streams.len());
    }
    streams
}

fn get(address: SocketAddr, target: &str) -> Answer {
    Client::new(address).get(target)
}

#[test]
fn one_address_has_so_many_connections_and_is_told_which_flag_allows_more() {
    let server = Server::start_with(&["--connections-per-address", "20"]);
    let held = fill(&server, 20);
    assert_eq!(held.len(), 20);
    let refused = get(server.address(), "/api/v1/results");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let detail = refused.problem()["detail"].to_string();
    assert!(detail.contains("--connections-per-address"), "{detail}");
    for target in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(server.address(), target).status, 200, "{target}");
    }
    drop(held);
    crate::support::until("a place is free again", || {
        (get(server.address(), "/api/v1/results").status == 200).then_some(())
    });
}

#[test]
fn health_is_answered_while_all_places_are_taken() {
    // 512 of the files are not for connections.
    let server = Home::new().with_files(640).start(&[]);
    let held = fill(&server, 128);
    assert!(held.len() > 64, "{} streams are open", held.len());
    // Further connections that say nothing wait at the door, and not for long.
    let _idle: Vec<_> = (0..8)
        .map(|_| std::net::TcpStream::connect(server.address()).expect("the server is there"))
        .collect();
    for _ in 0..20 {
        assert_eq!(get(server.address(), "/healthz").status, 200);
    }
    assert_eq!(get(server.address(), "/readyz").status, 200);
    let refused = get(server.address(), "/api/v1/results");
    assert_eq!(refused.problem()["status"], 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[test]
fn clients_of_a_trusted_proxy_are_counted_one_by_one() {
    let flags = [
        "--trusted-proxy",
        "127.0.0.0/8",
        "--connections-per-address",
        "3",
    ];
    let server = Server::start_with(&flags);
    let stream = |client: &str| {
        let header = format!("Forwarded: for=\"{client}\"\r\n");
        Stream::try_open_with(server.address(), "", &header)
    };
    let held: Vec<_> = (0..3).map_while(|_| stream("198.51.100.7").ok()).collect();
    assert_eq!(held.len(), 3);
    let results = |client: &str| {
        let headers = [("X-Forwarded-For", client)];
        let client = server.client();
        client.get_with("/api/v1/results", &headers).status
    };
    assert_eq!(results("198.51.100.7"), 429);
    assert_eq!(
        results("203.0.113.1, 198.51.100.7"),
        429,
        "made up before it"
    );
    assert_eq!(results("198.51.100.8"), 200);
    assert!(stream("[2001:db8::1]:4711").is_ok());
    drop(held);
    crate::support::until("its requests are over", || {
        (results("198.51.100.7") == 200).then_some(())
    });
}

#[test]
fn what_a_stranger_says_of_others_is_not_believed() {
    let server = Server::start_with(&["--connections-per-address", "3"]);
    let held: Vec<_> = (0..3)
        .map(|number| {
            let header = format!("X-Forwarded-For: 198.51.100.{number}\r\n");
            Stream::try_open_with(server.address(), "", &header).expect("a stream")
        })
        .collect();
    let headers = [("X-Forwarded-For", "198.51.100.9")];
    let refused = server.client().get_with("/api/v1/results", &headers);
    assert_eq!(refused.status, 429);
    drop(held);
}

#[test]
fn a_proxy_that_is_no_network_is_refused_at_the_start() {
    let refused = Home::new().refused(&["--trusted-proxy", "the-proxy"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("'the-proxy' is no network"), "{said}");
}
