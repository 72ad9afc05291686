//! Writing: who may, what is refused, and that a refused request leaves nothing behind.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Client, Home, Server, read, votes};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

/// What anybody may read.
const READS: [&str; 7] = [
    "/",
    "/api/v1/results",
    "/api/v1/stream",
    "/api/v1/status",
    "/healthz",
    "/metrics",
    "/nowhere",
];

fn post(client: &Client, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    client.send("POST", "/api/v1/votes", headers, body)
}

fn messages(server: &Server) -> Value {
    server.settled()["messages"].clone()
}

#[test]
fn what_is_stored_is_counted_once_the_offsets_are_reached() {
    let server = Server::start();
    let client = server.client();
    let one = post(
        &client,
        &[JSON],
        votes::vote("a").replace(',', ",\n").as_bytes(),
    );
    assert_eq!((one.status, &one.json()["stored"]), (202, &json!(1)));
    let body = format!("{}\r\n\r\n{}\n\n", votes::vote("b"), votes::vote("c"));
    let utf8 = ("Content-Type", "application/x-ndjson; charset=utf-8");
    let many = post(&client, &[utf8], body.as_bytes());
    assert_eq!((many.status, &many.json()["stored"]), (202, &json!(2)));
    assert_eq!(server.settled()["counts"]["accepted"], 3);
    let results = client.get("/api/v1/results").json();
    for answer in [one.json(), many.json()] {
        for (partition, next) in answer["offsets"].as_object().expect("offsets") {
            assert!(
                results["offsets"][partition].as_i64() >= next.as_i64(),
                "{partition}"
            );
        }
    }
}

#[test]
fn one_bad_line_refuses_the_whole_request() {
    let server = Server::start();
    let client = server.client();
    let good = votes::vote("a");
    let with = |field: &str, value: Value| {
        let mut vote: Value = serde_json::from_str(&good).expect("a vote");
        vote[field] = value;
        vote.to_string()
    };
    let without = |field: &str| with(field, Value::Null);
    let far = with("timestamp", json!("9999-12-31T23:59:59Z"));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"x".to_vec(), "malformed_json"),
        (b"[]".to_vec(), "malformed_json"),
        (b"{\"voter_id\":\"\xff\"}".to_vec(), "malformed_json"),
        (format!("\u{feff}{good}").into(), "malformed_json"),
        (format!("{good}{good}").into(), "malformed_json"),
        (
            good.replace('{', "{\"voter_id\":\"b\",").into(),
            "malformed_json",
        ),
        (with("type", json!("veto")).into(), "bad_field"),
        (without("voter_id").into(), "missing_field"),
        (without("candidate_id").into(), "missing_field"),
        (with("voter_id", json!("")).into(), "bad_field"),
        (with("voter_id", json!("v".repeat(129))).into(), "bad_field"),
        (with("voter_id", json!("a\0b")).into(), "bad_field"),
        (with("choices", json!(["ada"])).into(), "bad_field"),
        (with("timestamp", json!("2013-11-03")).into(), "bad_field"),
        (far.into(), "future_timestamp"),
        (
            with("padding", json!("x".repeat(70_000))).into(),
            "too_large",
        ),
    ];
    for (line, reason) in &cases {
        let body = [good.as_bytes(), b"\n\n", line, b"\n", good.as_bytes()].concat();
        let answer = post(&client, &[LINES], &body);
        let shown = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        assert_eq!(answer.status, 400, "{shown}");
        let problem = answer.problem();
        assert_eq!(
            (&problem["line"], &problem["reason"]),
            (&json!(3), &json!(reason)),
            "{shown}"
        );
        // Where a byte order mark begins the body, it is none of the event's.
        let alone = post(&client, &[JSON], &[b" ", &line[..]].concat()).problem();
        assert_eq!(
            (&alone["line"], &alone["reason"]),
            (&json!(1), &json!(reason)),
            "{shown}"
        );
    }
    for nothing in ["", " \n\r\n"] {
        for form in [JSON, LINES] {
            assert_eq!(
                post(&client, &[form], nothing.as_bytes()).problem()["status"],
                400
            );
        }
    }
    assert_eq!(messages(&server), 0, "nothing of any of them is stored");
}

#[test]
fn on_loopback_only_its_names_ask_and_no_other_page_writes() {
    let server = Server::start();
    let client = server.client();
    let vote = votes::vote("a");
    let port = server.address().port();
    let (home, origin) = (
        format!("localhost:{port}"),
        format!("http://localhost:{port}"),
    );
    let refused: [(&[(&str, &str)], u16); 10] = [
        (&[], 415),
        (&[("Content-Type", "text/plain")], 415),
        (
            &[("Content-Type", "application/x-www-form-urlencoded")],
            415,
        ),
        (&[JSON, ("Content-Encoding", "gzip")], 415),
        (&[JSON, ("Host", "votes.example.org")], 403),
        (&[JSON, ("Host", "localhost.example.org")], 403),
        (&[JSON, ("Host", "")], 403),
        (&[JSON, ("Origin", "null")], 403),
        (&[JSON, ("Origin", "https://example.org")], 403),
        (
            &[JSON, ("Host", &home), ("Origin", "http://localhost:3000")],
            403,
        ),
    ];
    for (headers, status) in refused {
        let answer = post(&client, headers, vote.as_bytes());
        assert_eq!(answer.problem()["status"], status, "{headers:?}");
    }
    assert_eq!(messages(&server), 0);
    for route in READS {
        for foreign in ["rebound.example", "localhost.example.org", ""] {
            let answer = client.get_with(route, &[("Host", foreign)]);
            assert_eq!(answer.problem()["status"], 403, "{route} {foreign}");
            let said = answer.problem()["detail"].to_string();
            assert!(said.contains("Host: localhost"), "{said}");
        }
    }
    for host in [
        "localhost",
        "127.0.0.1",
        "127.5.5.5:1",
        "[::1]",
        "[::1]:8080",
        &home,
    ] {
        let sent = post(&client, &[JSON, ("Host", host)], vote.as_bytes());
        assert_eq!(sent.status, 202, "{host}");
        assert_eq!(client.get_with("/healthz", &[("Host", host)]).status, 200);
    }
    let own = [JSON, ("Host", home.as_str()), ("Origin", origin.as_str())];
    assert_eq!(post(&client, &own, vote.as_bytes()).status, 202);
    // A page of another origin may not write though it knows the token, and may be let read.
    let foreign = [("Origin", "https://example.org")];
    assert_eq!(client.get_with("/api/v1/results", &foreign).status, 200);
}

#[test]
fn a_request_without_a_host_is_refused_on_loopback() {
    let server = Server::start();
    for version in ["1.0", "1.1"] {
        let mut socket = TcpStream::connect(server.address()).expect("the server is there");
        let head = format!("GET /healthz HTTP/{version}\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).expect("the head is sent");
        let answer = read(socket, true).expect("it is answered");
        assert_eq!(answer.status, 403, "{version}");
    }
}

#[test]
fn the_token_must_be_shown_also_on_loopback() {
    let server = Server::start_with(&["--token", "s3cret-of-16-or-more"]);
    let client = server.client().stranger();
    let vote = votes::vote("a");
    let answer = post(&client, &[JSON], vote.as_bytes());
    let said = answer.problem();
    assert_eq!(said["status"], 401);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    let detail = said["detail"].as_str().expect("a detail");
    assert!(detail.contains("file 'token'"), "{detail}");
    let home = server.home().path().display().to_string();
    assert!(!said.to_string().contains(&home), "no path: {said}");
    for wrong in [
        "s3cret-of-16-or-more",
        "Bearer s3cret-of-16-or-mor",
        "Basic s3cret-of-16-or-more",
        "Bearer the-token-of-the-tests",
    ] {
        let answer = post(&client, &[JSON, ("Authorization", wrong)], vote.as_bytes());
        assert_eq!(answer.status, 401, "{wrong}");
    }
    let bearer = ("Authorization", "Bearer s3cret-of-16-or-more");
    assert_eq!(post(&client, &[bearer], vote.as_bytes()).status, 415);
    assert_eq!(messages(&server), 0);
    assert_eq!(post(&client, &[JSON, bearer], vote.as_bytes()).status, 202);
    let text = String::from_utf8(client.get("/api/v1/status").body).expect("text");
    assert!(!text.contains("s3cret"));
}

#[test]
fn wrong_tokens_are_counted_and_answered_slowly_and_the_right_one_is_not() {
    const TRIES: usize = 40;
    let server = Server::start();
    let client = server.client();
    let wrong = ("Authorization", "Bearer a-wrong-token-of-many");
    let threads: Vec<_> = (0..TRIES)
        .map(|_| {
            std::thread::spawn(move || {
                let sent = Instant::now();
                let answer = post(&client, &[JSON, wrong], votes::vote("a").as_bytes());
                assert_eq!(answer.status, 401);
                sent.elapsed()
            })
        })
        .collect();
    let right = (0..10).map(|_| {
        let sent = Instant::now();
        assert_eq!(client.vote(&votes::vote("b")).status, 202);
        sent.elapsed()
    });
    let right = right.min().expect("some are sent");
    let waited = threads
        .into_iter()
        .map(|thread| thread.join().expect("it is answered"));
    let wrong = waited.max().expect("some are sent");
    assert!(wrong >= Duration::from_millis(500), "{wrong:?}");
    assert!(right < wrong, "{right:?} and {wrong:?}");
    let metrics = String::from_utf8(client.get("/metrics").body).expect("text");
    let counted = format!("tallyflow_authentication_failures_total {TRIES}");
    assert!(metrics.contains(&counted), "{metrics}");
}

#[test]
fn elsewhere_than_on_loopback_any_name_will_do_with_the_token() {
    let server = Server::start_with(&["--listen", "0.0.0.0:0"]);
    let client = Client::new(([127, 0, 0, 1], server.address().port()).into());
    let vote = votes::vote("a");
    let proxied = [
        JSON,
        ("Host", "votes.example.org"),
        ("Origin", "https://example.org"),
    ];
    let stranger = post(&client.stranger(), &proxied, vote.as_bytes());
    assert_eq!(stranger.problem()["status"], 401);
    assert_eq!(post(&client, &proxied, vote.as_bytes()).status, 202);
    let named = [("Host", "votes.example.org")];
    assert_eq!(client.get_with("/healthz", &named).status, 200);
}

#[test]
fn what_a_proxy_passes_on_is_no_more_trusted_than_its_sender() {
    let server = Server::start();
    let proxy = proxy_to(server.address());
    // As nginx has it with a bare `proxy_pass`: the name is that of the service.
    let host = server.address().to_string();
    let headers = [JSON, ("Host", host.as_str())];
    let vote = votes::vote("a");
    let through = Client::new(proxy);
    let stranger = post(&through.stranger(), &headers, vote.as_bytes());
    assert_eq!(stranger.problem()["status"], 401);
    assert_eq!(messages(&server), 0);
    assert_eq!(post(&through, &headers, vote.as_bytes()).status, 202);
}

/// Passes on every connection to a server on this machine, as any proxy does.
fn proxy_to(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(server).expect("the server is there");
            let pairs = [
                (
                    client.try_clone().expect("a socket"),
                    server.try_clone().expect("a socket"),
                ),
                (server, client),
            ];
            for (mut from, mut to) in pairs {
                std::thread::spawn(move || {
                    // Either side may end it.
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

#[test]
fn a_token_that_is_made_is_said_with_a_command_that_works() {
    let server = Home::new().without_token().start(&[]);
    let stranger = server.client().stranger();
    let vote = votes::vote("a");
    assert_eq!(post(&stranger, &[JSON], vote.as_bytes()).status, 401);
    let greeting = server.greeting();
    let command = greeting.lines().find(|line| line.contains("curl "));
    let command = command.expect("a command").trim().to_string() + " -sS -w '%{http_code}'";
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir("/");
        let output = shell.output().expect("a shell runs");
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = run(&command);
    assert!(said.ends_with("202"), "{command}: {said}");
    let file = server.home().path().join("data/token");
    let token = std::fs::read_to_string(&file).expect("the token is there");
    assert!(
        !greeting.contains(token.trim()),
        "the token itself is not shown"
    );
    let metadata = std::fs::metadata(&file).expect("the token is there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    // It stays the same.
    let server = server.kill().start(&[]);
    let bearer = format!("Bearer {}", token.trim());
    let headers = [JSON, ("Authorization", bearer.as_str())];
    let sent = post(&server.client().stranger(), &headers, vote.as_bytes());
    assert_eq!(sent.status, 202);
}

#[test]
fn a_token_comes_from_a_file_and_is_refused_where_it_could_be_guessed() {
    let home = Home::new();
    let file = home.path().join("secret");
    let path = file.to_str().expect("a path");
    let refused = |flags: &[&str], part: &str| {
        let output = home.refused(flags);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{said}");
        assert!(!said.contains("guessable"), "{said}");
    };
    std::fs::write(&file, "guessable\n").expect("it is written");
    refused(&["--token-file", path], "has 9 characters");
    refused(&["--token", "guessable"], "has 9 characters");
    refused(&["--token", ""], "has 0 characters");
    refused(&["--token-file", "nowhere"], "could not read the token");
    let both = ["--token", "guessable-or-not", "--token-file", path];
    refused(&both, "cannot be used with");
    std::fs::write(&file, "a-token-in-a-file\n").expect("it is written");
    let server = home.start(&["--token-file", "secret"]);
    let bearer = ("Authorization", "Bearer a-token-in-a-file");
    let vote = votes::vote("a");
    let sent = post(&server.client(), &[JSON, bearer], vote.as_bytes());
    assert_eq!(sent.status, 202);
    assert!(!server.home().path().join("data/token").exists());
}
