//! What everybody can read while all kinds of things fail: no path, host, user, secret or voter.
//! Operators read the first three; nobody the others.

use serde_json::{Value, json};

use crate::support::{Home, Server, Stream, TOKEN, until, votes};

/// What names machines: for operators.
const MACHINES: [&str; 3] = ["planted-host.invalid", "planted_user", "planted_database"];

/// What names people, and what lets in: for nobody.
const SECRETS: [&str; 5] = [
    "planted-password",
    "planted-voter",
    "planted@mail.example",
    "Planted Person",
    TOKEN,
];

/// What anybody may ask for.
const ROUTES: [&str; 14] = [
    "/",
    "/api/v1/elections",
    "/api/v1/results",
    "/api/v1/locations",
    "/api/v1/windows",
    "/api/v1/series",
    "/api/v1/status",
    "/api/v1/operations",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/api/v1/results?contest=nothing",
    "/nowhere",
];

/// All that a stranger reads.
fn public(server: &Server) -> Vec<(String, String)> {
    let client = server.client().stranger();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let mut said: Vec<_> = ROUTES
        .map(|route| (route.to_string(), text(client.get(route).body)))
        .into();
    for (token, body) in [(false, "{}"), (true, "{}"), (true, "{"), (true, "[]")] {
        let client = if token { server.client() } else { client };
        let json = [("Content-Type", "application/json")];
        let answer = client.send("POST", "/api/v1/votes", &json, body.as_bytes());
        said.push((format!("POST {body}"), text(answer.body)));
    }
    if let Ok(mut stream) = Stream::try_open(server.address(), "", None) {
        let first = stream.next().expect("a first event");
        said.push(("stream".to_string(), first.data.to_string()));
    }
    said
}

fn nothing_is_shown(server: &Server, machines: &[&str]) {
    let home = server.home().path().display().to_string();
    let hidden = [machines, &SECRETS, &[&*home]].concat();
    for (route, said) in public(server) {
        for secret in &hidden {
            assert!(!said.contains(secret), "'{secret}' in {route}: {said}");
        }
    }
}

fn nothing_of_people_is_shown(server: &Server) {
    let operations = server.client().operations().to_string();
    let log = std::fs::read_to_string(server.home().log()).expect("there is a log");
    for (place, said) in [("operations", operations), ("the log", log)] {
        for secret in SECRETS {
            assert!(!said.contains(secret), "'{secret}' in {place}: {said}");
        }
    }
}

/// The register of the tests with a roll of one.
fn register() -> Value {
    let mut register = votes::register();
    register["voters"] = json!([{"voter_id": "planted-voter", "election_id": "town",
        "name": "Planted Person", "email": "planted@mail.example"}]);
    register
}

#[test]
fn while_register_database_and_checkpoints_fail_nobody_reads_where_they_are() {
    let home = Home::new();
    home.write_register(&register());
    let (place, away) = (home.path().join("place"), home.path().join("away"));
    let server = home.start_to_log(&[
        "--register",
        "register.json",
        "--postgres",
        "postgresql://planted_user:planted-password@planted-host.invalid/planted_database",
        "--checkpoints",
        place.to_str().expect("a path in UTF-8"),
    ]);
    let client = server.client();
    until("results are served", || {
        (client.get("/readyz").status == 200).then_some(())
    });
    nothing_is_shown(&server, &MACHINES);
    let sound = register().to_string();
    let broken = sound.replace("planted@mail.example\"", "planted@mail.example");
    std::fs::write(server.home().path().join("register.json"), broken).expect("it is written");
    std::fs::rename(&place, &away).expect("the place is moved away");
    let mut sent = 0;
    until("all of them fail", || {
        sent += 1;
        client.vote(&votes::vote(&format!("voter-{sent}")));
        let status = client.get("/api/v1/status").json();
        let fails = |sink: &Value| sink["last_error"].is_string();
        let all = status["register_error"].is_string()
            && status["checkpoint"]["tick_error"].is_string()
            && status["sinks"]
                .as_array()
                .is_some_and(|it| it.iter().all(fails));
        all.then_some(())
    });
    nothing_is_shown(&server, &MACHINES);
    nothing_of_people_is_shown(&server);
    let operations = client.operations();
    let path = server.home().path().join("place").display().to_string();
    let database = "planted-host.invalid:5432/planted_database as planted_user";
    for (what, part) in [
        (&operations["places"]["checkpoints"], &*path),
        (&operations["places"]["register"], "register.json"),
        (&operations["places"]["database"], database),
        (&operations["checkpoint"]["tick_error"], &*path),
        (&operations["register_error"], "register.json"),
        (&operations["sinks"][0]["last_error"], MACHINES[0]),
    ] {
        let what = what.as_str().expect("a text");
        assert!(what.contains(part), "'{part}' in '{what}': {operations}");
    }
}

#[test]
fn while_a_start_waits_for_kafka_nobody_reads_for_whom() {
    const BROKER: &str = "planted-host.invalid:9092";
    let server = Home::new().start_to_log(&["--kafka", BROKER]);
    let client = server.client();
    until("the start says that it waits", || {
        let ready = client.get("/readyz");
        let progress = &ready.problem()["progress"];
        progress["waiting_for"].is_string().then_some(())
    });
    nothing_is_shown(&server, &MACHINES);
    nothing_of_people_is_shown(&server);
    let operations = client.operations();
    assert_eq!(operations["places"]["kafka"], BROKER);
    let waits = operations["waiting_for"].as_str().expect("a reason");
    assert!(waits.contains(BROKER), "{waits}");
}

#[test]
fn operations_want_the_token() {
    let server = Server::start();
    let stranger = server.client().stranger();
    for wrong in [None, Some("Bearer a-token-that-is-wrong"), Some(TOKEN)] {
        let header = wrong.map(|wrong| ("Authorization", wrong));
        let headers: Vec<_> = header.into_iter().collect();
        let answer = stranger.get_with("/api/v1/operations", &headers);
        assert_eq!(answer.problem()["status"], 401, "{wrong:?}");
        assert!(answer.header("www-authenticate").is_some());
    }
    let operations = server.client().operations();
    let status = server.client().get("/api/v1/status").json();
    assert_eq!(operations["register_version"], status["register_version"]);
    assert_eq!(operations["checkpoint"]["error"], Value::Null);
    assert_eq!(status["checkpoint"]["place"], Value::Null, "no place");
}
