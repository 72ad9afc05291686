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

/// A club in which only those on the list count.
fn club(voters: &[Value]) -> Value {
    json!({
        "elections": [{"election_id": "club", "roll": true}],
        "contests": [{"contest_id": "chair", "election_id": "club"}],
        "candidates": [{"contest_id": "chair", "candidate_id": "ada"}],
        "voters": voters,
    })
}

fn member(number: usize) -> Value {
    json!({"voter_id": format!("member-{number}"), "election_id": "club",
           "name": format!("Person {number}"), "email": format!("person{number}@example.org"),
           "registration_date": "2013-01-02", "location": "somewhere"})
}

fn members(count: usize) -> Vec<Value> {
    (0..count).map(member).collect()
}

/// A club of 40, all of whom have voted.
fn club_that_has_voted() -> Server {
    let home = Home::new();
    home.write_register(&club(&members(40)));
    let server = home.start(&["--checkpoint-every", "1s"]);
    let vote = |number| {
        json!({"vote_id": "1", "voter_id": format!("member-{number}"), "candidate_id": "ada"})
            .to_string()
    };
    let lines: Vec<String> = (0..40).map(vote).collect();
    assert_eq!(server.client().vote(&lines.join("\n")).status, 202);
    server.settled();
    assert_eq!(results(&server)["counts"]["accepted"], 40);
    server
}

#[test]
fn what_a_register_says_of_a_voter_is_shown_to_nobody() {
    let server = club_that_has_voted();
    let version = results(&server)["register_version"].clone();
    let sound = club(&members(40)).to_string();
    let mut twice = members(40);
    twice.push(member(7));
    let mut other_day = members(40);
    other_day[5]["registration_date"] = json!("2025-02-30");
    for (text, part) in [
        (
            sound.replace("person7@example.org\"", "person7@example.org"),
            "line 1",
        ),
        (club(&twice).to_string(), "voters[40]"),
        (club(&other_day).to_string(), "voters[5], registration_date"),
        (
            sound.replace("\"member-9\"", "[\"member-9\"]"),
            "voters[9], voter_id",
        ),
    ] {
        std::fs::write(server.home().path().join("register.json"), text).expect("it is written");
        let error = until("the register is refused", || {
            register_error(&server).filter(|error| error.contains(part))
        });
        let home = server.home().path().display().to_string();
        for secret in ["member-", "Person", "@", "2025", &*home] {
            assert!(!error.contains(secret), "{secret}: {error}");
        }
        assert_eq!(results(&server)["register_version"], version);
    }
}

#[test]
fn a_checkpoint_says_nothing_of_a_voter_and_a_restart_knows_the_roll() {
    let server = club_that_has_voted();
    until("the register is kept", || {
        let status = server.client().get("/api/v1/status").json();
        (!status["checkpoint"]["newest"].is_null()).then_some(())
    });
    let version = results(&server)["register_version"].clone();
    let (_, home) = server.terminate();
    let kept = files(&home.path().join("data/checkpoints"));
    assert!(kept.len() >= 3, "manifest, register, segment");
    for (name, bytes) in &kept {
        for secret in ["member-", "Person", "@example", "2013-01-02", "somewhere"] {
            let found = bytes
                .windows(secret.len())
                .any(|at| at == secret.as_bytes());
            assert!(!found, "'{secret}' is in {name}");
        }
    }
    // The file is away, so the roll is that of the checkpoint.
    std::fs::remove_file(home.path().join("register.json")).expect("it goes");
    let server = home.start(&[]);
    assert!(register_error(&server).is_some());
    let guest = json!({"vote_id": "1", "voter_id": "guest", "candidate_id": "ada"}).to_string();
    assert_eq!(server.client().vote(&guest).status, 202);
    server.settled();
    let after = results(&server);
    assert_eq!(after["register_version"], version);
    assert_eq!(after["counts"]["accepted"], 40);
    assert_eq!(after["set_aside_by"], json!({"unknown_voter": 1}));
}

/// The files of a directory, with what they hold.
fn files(directory: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    let entries = entries.filter(|path| path.is_file());
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).expect("the file can be read");
        (path.display().to_string(), bytes)
    };
    entries.map(read).collect()
}

#[test]
fn a_roll_that_was_cut_is_held_back_until_it_is_allowed() {
    let server = club_that_has_voted();
    server.home().write_register(&club(&members(10)));
    let held = |server: &Server| {
        let error = until("the register is held back", || register_error(server));
        for part in ["'club'", "40 voters", "to 10", "--allow-drop"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert_eq!(results(server)["counts"]["accepted"], 40);
    };
    held(&server);
    let (_, home) = server.terminate();
    let server = home.start(&[]);
    held(&server);
    // One in ten may leave at once.
    server.home().write_register(&club(&members(36)));
    until("the register is taken over", || {
        (results(&server)["counts"]["accepted"] == 36).then_some(())
    });
    assert_eq!(register_error(&server), None);
    let (_, home) = server.terminate();
    home.write_register(&club(&members(10)));
    let server = home.start(&["--allow-drop"]);
    assert_eq!(register_error(&server), None);
    let after = results(&server);
    assert_eq!(after["counts"]["accepted"], 10);
    assert_eq!(after["set_aside_by"], json!({"unknown_voter": 30}));
}

#[test]
fn a_pipe_in_the_place_of_the_register_stops_nothing() {
    let server = Server::start();
    let path = server.home().path().join("register.json");
    let pipe = server.home().path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    std::fs::rename(&pipe, &path).expect("it takes its place");
    let error = until("it is refused", || register_error(&server));
    assert!(error.contains("named pipe"), "{error}");
    assert_eq!(server.client().vote(&votes::vote("a")).status, 202);
    server.settled();
    let before = results(&server)["register_version"].clone();
    std::fs::remove_file(&path).expect("it goes");
    server.home().write_register(&edited(|register| {
        register["candidates"][0]["party"] = json!("The party");
    }));
    until("the register is taken over", || {
        (results(&server)["register_version"] != before).then_some(())
    });
    assert_eq!(register_error(&server), None);
}

#[test]
fn a_start_refuses_what_is_no_file_without_waiting_for_it() {
    let home = Home::new();
    let path = home.path().join("register.json");
    std::fs::remove_file(&path).expect("it goes");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
    let output = home.refused(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("named pipe"),
        "{said}"
    );
}

#[test]
fn a_tree_of_too_many_levels_is_refused_at_once() {
    let home = Home::new();
    home.write_register(&edited(|register| {
        let rows = register["locations"].as_array_mut().expect("a list");
        rows.extend((0..5_000).map(|level: usize| {
            let parent = level.checked_sub(1).map(|above| format!("level-{above}"));
            json!({"election_id": "town", "location": format!("level-{level}"), "parent": parent})
        }));
    }));
    let output = home.refused(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("'level-64'") && said.contains("at most 64"),
        "{said}"
    );
}
