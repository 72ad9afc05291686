//! Writing: who may, what is refused, and that a refused request leaves nothing behind.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Home, Server, votes};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

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
        (without("vote_id").into(), "missing_field"),
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
        let alone = post(&client, &[JSON], line).problem();
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
fn without_a_token_only_this_machine_and_no_page_writes() {
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
    for host in [
        "localhost",
        "127.0.0.1",
        "127.5.5.5:1",
        "[::1]",
        "[::1]:8080",
        &home,
    ] {
        assert_eq!(
            post(&client, &[JSON, ("Host", host)], vote.as_bytes()).status,
            202,
            "{host}"
        );
    }
    let own = [JSON, ("Host", home.as_str()), ("Origin", origin.as_str())];
    assert_eq!(post(&client, &own, vote.as_bytes()).status, 202);
}

#[test]
fn with_a_token_it_must_be_shown() {
    let server = Server::start_with(&["--token", "s3cret"]);
    let client = server.client();
    let vote = votes::vote("a");
    let answer = post(&client, &[JSON], vote.as_bytes());
    assert_eq!(answer.problem()["status"], 401);
    assert!(
        answer
            .header("www-authenticate")
            .is_some_and(|it| it.starts_with("Bearer"))
    );
    for wrong in ["s3cret", "Bearer s3cre", "Basic s3cret"] {
        let answer = post(&client, &[JSON, ("Authorization", wrong)], vote.as_bytes());
        assert_eq!(answer.status, 401, "{wrong}");
    }
    let bearer = ("Authorization", "Bearer s3cret");
    assert_eq!(post(&client, &[bearer], vote.as_bytes()).status, 415);
    assert_eq!(messages(&server), 0);
    let proxied = [
        JSON,
        bearer,
        ("Host", "votes.example.org"),
        ("Origin", "https://example.org"),
    ];
    assert_eq!(post(&client, &proxied, vote.as_bytes()).status, 202);
    let text = String::from_utf8(client.get("/api/v1/status").body).expect("text");
    assert!(!text.contains("s3cret"));
}

#[test]
fn elsewhere_without_a_token_it_does_not_start() {
    let home = Home::new();
    let output = home.refused(&["--listen", "0.0.0.0:0"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("refusing to listen on 0.0.0.0:0 without a token"),
        "{said}"
    );
}
