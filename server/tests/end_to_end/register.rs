//! The register file while votes are counted: taken over whole, or refused whole.

use serde_json::{Value, json};

use crate::support::{Home, Server, Stream, until, votes};

/// The register of the tests after an edit.
fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let mut register = votes::register();
    edit(&mut register);
    register
}

fn results(server: &Server) -> Value {
    server.client().get("/api/v1/results").json()
}

fn register_error(server: &Server) -> Option<String> {
    let status = server.client().get("/api/v1/status").json();
    status["register_error"].as_str().map(str::to_string)
}

fn votes_of(results: &Value, candidate: &str) -> Value {
    let rows = results["candidates"].as_array().expect("candidates");
    let row = rows.iter().find(|row| row["candidate_id"] == candidate);
    row.map_or(Value::Null, |row| row["votes"].clone())
}

#[test]
fn a_candidate_that_is_added_has_the_votes_that_waited_for_it() {
    let server = Server::start();
    let vote = |voter: &str, candidate: &str| {
        json!({"vote_id": "1", "voter_id": voter, "candidate_id": candidate, "location": "0"})
            .to_string()
    };
    let lines = [vote("a", "ada"), vote("b", "eve"), vote("c", "eve")].join("\n");
    assert_eq!(server.client().vote(&lines).status, 202);
    server.settled();
    let before = results(&server);
    assert_eq!(before["set_aside_by"], json!({"unknown_candidate": 2}));

    let mut stream = Stream::open(server.address(), "", None);
    stream.expect("snapshot");
    server.home().write_register(&edited(|register| {
        let rows = register["candidates"].as_array_mut().expect("a list");
        rows.push(json!({"contest_id": "mayor", "candidate_id": "eve", "candidate_name": "Eve"}));
        rows[0]["candidate_name"] = json!("Ada anew");
    }));
    let change = stream.expect("change").data;
    assert_eq!(change["results"]["counts"]["accepted"], 3, "in one tick");
    assert_eq!(change["results"]["counts"]["set_aside"], 0);

    let after = results(&server);
    assert_eq!(votes_of(&after, "eve"), 2);
    assert_eq!(votes_of(&after, "ada"), 1, "a rename moves no vote");
    assert_eq!(after["leader"], "eve");
    assert_ne!(after["register_version"], before["register_version"]);
}

#[test]
fn a_register_with_problems_is_refused_whole_and_every_problem_is_named() {
    let server = Server::start();
    assert_eq!(server.client().vote(&votes::vote("a")).status, 202);
    server.settled();
    let before = results(&server);
    server.home().write_register(&edited(|register| {
        let rows = register["candidates"].as_array_mut().expect("a list");
        rows.retain(|row| row["candidate_id"] != "ada" || row["contest_id"] != "mayor");
        rows[0]["candidate_name"] = json!("would be renamed");
        register["contests"][0]["window_ms"] = json!(20_000);
        register["contests"][1]["is_default"] = json!(true);
        register["contests"][0]["is_default"] = json!(false);
    }));
    let error = until("the register is refused", || register_error(&server));
    for part in [
        "candidate 'ada' of 'mayor' is gone",
        "window_ms",
        "default contest",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let after = results(&server);
    for field in ["register_version", "candidates", "counts"] {
        assert_eq!(after[field], before[field], "{field}");
    }

    // A file that is no register at all, and then a sound one.
    let path = server.home().path().join("register.json");
    std::fs::write(path, "{").expect("it is written");
    until("the file is refused", || {
        register_error(&server).filter(|error| error.contains("could not read"))
    });
    server.home().write_register(&edited(|register| {
        register["candidates"][0]["party"] = json!("The party");
    }));
    until("the register is taken over", || {
        (results(&server)["register_version"] != before["register_version"]).then_some(())
    });
    assert_eq!(register_error(&server), None);
}

#[test]
fn after_a_restart_a_register_that_dropped_a_candidate_is_refused_unless_allowed() {
    let server = Server::start();
    assert_eq!(server.client().vote(&votes::vote("a")).status, 202);
    server.settled();
    until("the register is kept", || {
        let status = server.client().get("/api/v1/status").json();
        (!status["checkpoint"]["newest"].is_null()).then_some(())
    });
    let home = server.kill();
    home.write_register(&edited(|register| {
        let rows = register["candidates"].as_array_mut().expect("a list");
        rows.retain(|row| row["candidate_id"] != "ada");
    }));
    let server = home.start(&[]);
    let error = register_error(&server).expect("the register is refused");
    assert!(error.contains("--allow-drop"), "{error}");
    assert_eq!(votes_of(&results(&server), "ada"), 1, "the last good one");

    let server = server.kill().start(&["--allow-drop"]);
    assert_eq!(register_error(&server), None);
    let results = results(&server);
    assert_eq!(results["set_aside_by"], json!({"unknown_candidate": 1}));
    assert_eq!(votes_of(&results, "ada"), Value::Null);
}

#[test]
fn a_start_without_a_sound_register_says_why() {
    let home = Home::new();
    for (text, part) in [
        ("{\"contests\": []}", "there is no contest"),
        ("{\"contests\": [{\"contest_id\": \"c\"}]}", "contests[0]"),
        ("[", "could not read the register"),
    ] {
        std::fs::write(home.path().join("register.json"), text).expect("it is written");
        let output = home.refused(&[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(part),
            "{part}: {said}"
        );
    }
}
