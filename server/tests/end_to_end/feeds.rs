//! Other people's messages, and what they and their readers are told: where fields are, whose
//! clocks they show, what would become of a vote, which codes are unknown.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::support::{Home, Server, Stream, until, votes};

const MAP: &str = r#"
voter_id = ["voter.registration_number", "registration_number"]
candidate_id = "candidate.id"
contest_id = { constant = "mayor" }
location = "voter.address.code"
timestamp = "voting_time"
vote_id = []
"#;

/// A vote as another program sends it: its voter's whole row, a time without a zone, no id.
fn foreign(voter: u64, candidate: &str, time: &str) -> String {
    json!({
        "voter": {"registration_number": voter, "name": "Ada", "email": "ada@example.org",
                  "address": {"street": "Long", "code": 0}},
        "candidate": {"id": candidate, "party": "Apples"},
        "voting_time": time, "vote": 1, "location": "not the code",
    })
    .to_string()
}

#[test]
fn messages_of_another_program_are_read_by_a_map_and_the_zone_of_their_clocks() {
    let home = Home::new();
    let map = home.path().join("map.toml");
    fs::write(&map, MAP).expect("it is written");
    let flags = [
        "--map",
        map.to_str().expect("a path"),
        "--time-zone",
        "America/Montreal",
    ];
    let server = home.start(&flags);
    let client = server.client();
    let sent = [
        foreign(1, "ada", "2013-11-03 15:00:00"),
        foreign(1, "ada", "2013-11-03 15:00:00"),
        foreign(2, "bo", "2013-11-03T15:00"),
    ];
    assert_eq!(client.vote(&sent.join("\n")).status, 202);
    let status = server.settled();
    assert_eq!(
        (&status["counts"]["accepted"], &status["duplicates"]),
        (&json!(2), &json!(1))
    );
    let windows = client.get("/api/v1/windows").json();
    // Five hours behind UTC in November.
    assert_eq!(windows["windows"][0]["end"], "2013-11-03T20:00:10.000Z");
    let bad = client.vote(&foreign(3, "ada", "soon"));
    assert_eq!(bad.problem()["reason"], "bad_field");
    // What a message says is decided as it is read, so it may not change under a checkpoint.
    let (_, home) = server.terminate();
    let refused = home.refused(&["--map", map.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("--time-zone America/Montreal") && said.contains("--recount"),
        "{said}"
    );
    let server = home.start(&flags);
    assert_eq!(server.settled()["counts"]["accepted"], 2);
}

#[test]
fn flags_that_cannot_be_followed_say_what_is_wrong() {
    let home = Home::new();
    let map = home.path().join("map.toml");
    let path = map.to_str().expect("a path");
    let said = |flags: &[&str]| String::from_utf8_lossy(&home.refused(flags).stderr).into_owned();
    assert!(said(&["--map", path]).contains("could not read"));
    fs::write(&map, "voter = 'a'\n").expect("it is written");
    assert!(said(&["--map", path]).contains("'voter' is no field"));
    assert!(said(&["--time-zone", "Montreal"]).contains("America/Montreal"));
    assert!(said(&["--checkpoints", "gs://bucket/x"]).contains("s3://BUCKET/PREFIX"));
    assert!(said(&["--listen", "localhost"]).contains("HOST:PORT"));
    assert!(said(&["--files", path]).contains("no directory"));
}

#[test]
fn a_sender_is_told_what_the_register_says_of_a_vote() {
    let server = Server::start();
    let client = server.client();
    let vote = |candidate: &str, location: &str| json!({"voter_id": candidate, "candidate_id": candidate, "location": location});
    let lines = [
        vote("ada", "0"),
        vote("nobody", "0"),
        vote("bo", "nowhere"),
        json!({"type": "void", "voter_id": "ada"}),
        json!({"voter_id": "v", "candidate_id": "ada", "contest_id": "none", "location": "0"}),
    ];
    let body: Vec<String> = lines.iter().map(Value::to_string).collect();
    let answer = client.vote(&body.join("\n")).json();
    let aside = |reason: &str| json!({"set_aside": reason});
    let expected = json!([
        null,
        aside("unknown_candidate"),
        aside("unknown_location"),
        null,
        aside("unknown_contest")
    ]);
    assert_eq!(answer["would_be"], expected);
    assert_eq!(answer.get("message"), None);
    let one = client.vote(&vote("nobody", "0").to_string()).json();
    assert_eq!(one["would_be"], json!([aside("unknown_candidate")]));
    assert!(
        one["message"]
            .as_str()
            .expect("a sentence")
            .contains("no such candidate")
    );
    assert_eq!(
        client
            .vote(&vote("cyd", "0").to_string())
            .json()
            .get("message"),
        None
    );
}

#[test]
fn unknown_codes_are_counted_for_the_operator_and_many_of_them_are_a_warning() {
    let server = Server::start();
    let client = server.client();
    let vote = |voter: usize, location: &str| {
        json!({"voter_id": format!("v{voter}"), "candidate_id": "ada", "location": location})
            .to_string()
    };
    let mut lines: Vec<String> = (0..10).map(|voter| vote(voter, "0")).collect();
    lines.extend((10..15).map(|voter| vote(voter, "00")));
    lines.extend((15..18).map(|voter| vote(voter, "north")));
    // A copy is no other vote.
    lines.push(vote(15, "north"));
    assert_eq!(client.vote(&lines.join("\n")).status, 202);
    server.settled();
    let expected = json!([
        {"field": "location", "code": "00", "count": 5},
        {"field": "location", "code": "north", "count": 3},
    ]);
    until("the codes are shown", || {
        (client.operations()["unknown"] == expected).then_some(())
    });
    until("there is a warning", || {
        let status = client.get("/api/v1/status").json();
        let warnings = status["warnings"].as_array().expect("a list").clone();
        warnings
            .iter()
            .any(|it| it["code"] == "many_set_aside")
            .then_some(())
    });
    // A register that knows the code lets its votes count.
    let mut register = votes::register();
    let locations = register["locations"].as_array_mut().expect("a list");
    locations.push(json!({"election_id": "town", "location": "00", "parent": "north"}));
    server.home().write_register(&register);
    until("the code is known", || {
        let unknown = client.operations()["unknown"].clone();
        (unknown == json!([{"field": "location", "code": "north", "count": 3}])).then_some(())
    });
    assert_eq!(
        client.get("/api/v1/status").json()["counts"]["accepted"],
        15
    );
}

#[test]
fn nothing_is_warned_of_where_all_is_well() {
    let server = Server::start();
    assert_eq!(server.client().vote(&votes::vote("ann")).status, 202);
    server.settled();
    let status = server.client().get("/api/v1/status").json();
    assert_eq!(status["warnings"], json!([]));
    assert_eq!(
        status["publishing"],
        json!({"stalled_since": null, "reason": null})
    );
}

#[test]
fn answers_and_streams_are_compressed_for_who_takes_that() {
    let server = Server::start();
    let client = server.client();
    client.vote(&votes::Town::new(3).lines(500));
    server.settled();
    let route = "/api/v1/locations?parent=*";
    let plain = client.get(route);
    let packed = client.get_with(route, &[("Accept-Encoding", "br, gzip")]);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(
        packed
            .header("vary")
            .expect("it varies")
            .contains("accept-encoding")
    );
    assert!(packed.body.len() * 4 < plain.body.len());
    let mut text = Vec::new();
    let mut decoder = GzDecoder::new(&packed.body[..]);
    decoder.read_to_end(&mut text).expect("a file of gzip");
    assert_eq!(text, plain.body);
    let tag = packed.header("etag").expect("a tag").to_string();
    assert_ne!(Some(&*tag), plain.header("etag"));
    let again = [("Accept-Encoding", "gzip"), ("If-None-Match", &*tag)];
    assert_eq!(client.get_with(route, &again).status, 304);

    // A stream is one file, of which each event can be read as soon as it is there.
    let mut socket = TcpStream::connect(server.address()).expect("a connection");
    let head = format!(
        "GET /api/v1/stream?views=results HTTP/1.0\r\nHost: {}\r\nAccept-Encoding: gzip\r\n\r\n",
        server.address()
    );
    socket.write_all(head.as_bytes()).expect("it is sent");
    let mut bytes = Vec::new();
    let mut read = |wanted: &str| {
        until("an event can be read", || {
            let mut more = [0; 4096];
            let count = socket.read(&mut more).expect("more comes");
            bytes.extend_from_slice(&more[..count]);
            let start = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            let (mut text, mut decoder) = (vec![0; 1 << 20], GzDecoder::new(&bytes[start..]));
            let mut filled = 0;
            // It is not at its end, which is an error only after all that is there.
            while let Ok(count @ 1..) = decoder.read(&mut text[filled..]) {
                filled += count;
            }
            let text = String::from_utf8_lossy(&text[..filled]).into_owned();
            text.contains(wanted).then_some(text)
        })
    };
    let first = read("event: snapshot");
    assert!(first.starts_with("retry: 1000\nid: "), "{first}");
    assert!(
        !first.contains("\"locations\"") && !first.contains("\"windows\""),
        "{first}"
    );
    client.vote(&votes::vote("one more"));
    assert!(read("event: change").contains("\"corrections\""));
}

#[test]
fn a_stream_is_of_the_parts_that_are_asked_for() {
    let server = Server::start();
    let client = server.client();
    let mut stream = Stream::open(server.address(), "?views=locations,windows", None);
    let first = stream.next().expect("a snapshot");
    assert_eq!(first.data.get("results"), None);
    assert!(first.data["locations"].is_array() && first.data["windows"].is_object());
    client.vote(&votes::vote("ann"));
    let change = loop {
        let event = stream.next().expect("a change");
        if event.name == "change" {
            break event.data;
        }
    };
    assert_eq!(
        (change.get("results"), change.get("corrections")),
        (None, None)
    );
    assert!(change["locations"].as_array().expect("rows").len() >= 2);
    assert!(change["removed"].is_object());
    let refused = client.get("/api/v1/stream?views=votes");
    assert_eq!(
        (refused.status, &refused.problem()["parameter"]),
        (400, &json!("views"))
    );
}

#[test]
fn parameters_that_a_route_does_not_have_are_refused() {
    let server = Server::start();
    let client = server.client();
    for target in [
        "/api/v1/results?format=csv",
        "/api/v1/elections?contest=mayor",
        "/api/v1/windows?Limit=3",
        "/api/v1/status?x",
        "/api/v1/stream?interval=5",
    ] {
        let refused = client.get(target);
        assert_eq!(refused.status, 400, "{target}");
        let name = target.split(['?', '=']).nth(1).expect("a name");
        let detail = refused.problem()["detail"].to_string();
        assert!(detail.contains(&format!("'{name}'")), "{detail}");
    }
    // Whoever checks the health may add what it wants.
    assert_eq!(client.get("/healthz?x=1").status, 200);
}

#[test]
fn files_of_the_operator_come_from_our_own_origin() {
    let home = Home::new();
    let files = home.path().join("files");
    fs::create_dir(&files).expect("a directory");
    fs::write(files.join("ana.svg"), "<svg/>").expect("it is written");
    let flag = files.to_str().expect("a path").to_string();
    let server = home.start(&["--files", &flag]);
    let answer = server.client().get("/files/ana.svg");
    assert_eq!((answer.status, &*answer.body), (200, &b"<svg/>"[..]));
    assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.contains("sandbox"), "{policy}");
    let tag = answer.header("etag").expect("a tag").to_string();
    let again = server
        .client()
        .get_with("/files/ana.svg", &[("If-None-Match", &tag)]);
    assert_eq!(again.status, 304);
    for absent in ["/files/bo.svg", "/files/../register.json", "/files/"] {
        assert_eq!(server.client().get(absent).status, 404, "{absent}");
    }
    let other = Server::start().client().get("/files/ana.svg");
    assert!(other.problem()["detail"].to_string().contains("--files"));
}
