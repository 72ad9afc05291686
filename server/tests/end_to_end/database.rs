//! PostgreSQL beside the count: the register from it, results to it, and its failures.

use std::process::Command;
use std::time::{Duration, Instant};

use postgres::Client as Sql;
use serde_json::{Value, json};

use crate::postgres::{Database, PASSWORD};
use crate::support::votes::{self, Town};
use crate::support::{Home, Server, Stream, until};

/// A database that has the register of the tests.
fn database() -> Database {
    let database = Database::start();
    let home = Home::new();
    let said = tallyflow(&home, &database, &["register", "import", "register.json"]);
    assert!(said.contains("2 contests"), "{said}");
    database
}

/// Runs a command that ends by itself, and gives what it printed.
fn tallyflow(home: &Home, database: &Database, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tallyflow"))
        .current_dir(home.path())
        .args(arguments)
        .args(["--postgres", &database.url()])
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn start(database: &Database) -> Server {
    Home::new().start(&["--postgres", &database.url()])
}

fn status(server: &Server) -> Value {
    server.client().get("/api/v1/status").json()
}

/// An entry of `sinks`.
fn sink(server: &Server, name: &str) -> Value {
    let sinks = status(server)["sinks"].clone();
    let sinks = sinks.as_array().expect("sinks").iter();
    let mut named = sinks.filter(|sink| sink["name"] == name);
    named.next().expect("it is a sink").clone()
}

/// Waits until the database has the tick that is served, and compares every row of it.
fn agrees(server: &Server, sql: &mut Sql) {
    server.settled();
    until("the database has what is served", || {
        // What is served may go on meanwhile, so all of it must be of one tick.
        let tick = status(server)["tick"].clone();
        let written = sql.query_opt("SELECT tick FROM published", &[]).ok()??;
        (written.get::<_, i64>(0) == tick.as_i64()?).then_some(())?;
        let (served, found) = (served(server), found(sql));
        (status(server)["tick"] == tick).then(|| same(&found, &served, "all"))
    });
}

/// Fails at the first value that differs; a number is the same whole or with a fraction of zero.
fn same(found: &Value, served: &Value, at: &str) {
    match (found, served) {
        (Value::Object(rows), Value::Object(others)) => {
            let keys = |rows: &serde_json::Map<String, Value>| rows.keys().cloned().collect();
            let (keys, others_keys): (Vec<String>, Vec<String>) = (keys(rows), keys(others));
            assert_eq!(keys, others_keys, "{at}");
            for (key, value) in rows {
                same(value, &others[key], &format!("{at}.{key}"));
            }
        }
        (Value::Array(rows), Value::Array(others)) => {
            assert_eq!(rows.len(), others.len(), "{at}");
            for (number, (row, other)) in rows.iter().zip(others).enumerate() {
                same(row, other, &format!("{at}[{number}]"));
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            assert_eq!(one.as_f64(), other.as_f64(), "{at}");
        }
        _ => assert_eq!(found, served, "{at}"),
    }
}

/// The rows as HTTP serves them, without what the tables do not have.
fn served(server: &Server) -> Value {
    let client = server.client();
    let contests = ["council", "mayor"].map(|contest| {
        let ask = |route: &str| {
            client
                .get(&format!("/api/v1/{route}contest={contest}"))
                .json()
        };
        let mut candidates = ask("results?")["candidates"].clone();
        for row in candidates.as_array_mut().expect("candidates") {
            let row = row.as_object_mut().expect("a row");
            row.remove("color");
            row.remove("photo_url");
        }
        sort(&mut candidates, "candidate_id");
        let mut locations = ask("locations?parent=*&")["locations"].clone();
        sort(&mut locations, "location");
        let mut windows = ask("windows?limit=1000&")["windows"].clone();
        sort(&mut windows, "start");
        json!({"candidates": candidates, "locations": locations, "windows": windows})
    });
    let results = client.get("/api/v1/results").json();
    json!({"contests": contests, "offsets": results["offsets"],
           "register_version": results["register_version"]})
}

fn sort(rows: &mut Value, key: &str) {
    let rows = rows.as_array_mut().expect("rows");
    rows.sort_by_key(|row| row[key].as_str().expect("a key").to_string());
}

/// The same as the tables have it.
fn found(sql: &mut Sql) -> Value {
    let mut rows = |query: &str, contest: &str| -> Value {
        let query = format!("SELECT coalesce(json_agg(row), '[]')::text FROM ({query}) AS row");
        let row = sql.query_one(&query, &[&contest]).expect("it can be asked");
        serde_json::from_str(row.get(0)).expect("it is JSON")
    };
    let contests = ["council", "mayor"].map(|contest| {
        let instant = |column: &str| {
            format!(
                r#"to_char("{column}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                   AS "{column}""#
            )
        };
        let windows = format!(
            "SELECT {}, {}, final, accepted, blank, late, votes
             FROM window_results WHERE contest_id = $1 ORDER BY 1",
            instant("start"),
            instant("end")
        );
        json!({
            "candidates": rows(
                "SELECT candidate_id, candidate_name, party, votes, share, rank, withdrawn
                 FROM candidate_results WHERE contest_id = $1 ORDER BY candidate_id COLLATE \"C\"",
                contest,
            ),
            "locations": rows(
                "SELECT location, name, parent, leaf, registered, accepted, blank, turnout, leader,
                     votes
                 FROM location_results WHERE contest_id = $1 ORDER BY location COLLATE \"C\"",
                contest,
            ),
            "windows": rows(&windows, contest),
        })
    });
    let published = sql
        .query_one("SELECT offsets::text, register_version FROM published", &[])
        .expect("something is published");
    let offsets: Value = serde_json::from_str(published.get(0)).expect("it is JSON");
    json!({"contests": contests, "offsets": offsets,
           "register_version": published.get::<_, String>(1)})
}

#[test]
fn results_in_the_tables_are_those_that_are_served() {
    let database = database();
    let mut sql = database.client();
    let server = start(&database);
    let mut town = Town::new(7);
    for _ in 0..5 {
        assert_eq!(server.client().vote(&town.lines(400)).status, 202);
        agrees(&server, &mut sql);
    }
    let results = sink(&server, "results");
    assert_eq!(
        (&results["state"], &results["last_error"]),
        (&json!("ok"), &Value::Null)
    );

    // A start finds rows that are none any more, and brings all to what is served.
    let home = server.kill();
    sql.batch_execute(
        "UPDATE candidate_results SET votes = 77;
         INSERT INTO location_results VALUES
             ('mayor', 'atlantis', 'Atlantis', NULL, true, 1, 1, 1, 1, NULL, '{}', 1);
         DELETE FROM window_results",
    )
    .expect("the tables can be changed");
    let server = home.start(&["--postgres", &database.url()]);
    agrees(&server, &mut sql);
}

#[test]
fn the_register_in_the_database_is_followed_while_votes_come() {
    let database = database();
    let mut sql = database.client();
    let server = start(&database);
    let vote = |voter: &str, candidate: &str| {
        json!({"vote_id": "1", "voter_id": voter, "candidate_id": candidate, "location": "0"})
            .to_string()
    };
    let lines = [vote("a", "ada"), vote("b", "eve"), vote("c", "eve")].join("\n");
    assert_eq!(server.client().vote(&lines).status, 202);
    server.settled();
    let mut stream = Stream::open(server.address(), "", None);
    stream.expect("snapshot");

    let started = Instant::now();
    sql.batch_execute(
        "BEGIN;
         INSERT INTO candidates (contest_id, candidate_id) VALUES ('mayor', 'eve');
         UPDATE candidates SET candidate_name = 'Ada anew', withdrawn_at = now()
             WHERE (contest_id, candidate_id) = ('mayor', 'ada');
         UPDATE locations SET registered = 1700 WHERE location = '0';
         COMMIT",
    )
    .expect("the register can be changed");
    let change = stream.expect("change").data;
    assert!(started.elapsed() < Duration::from_secs(5), "at once");
    let counts = &change["results"]["counts"];
    assert_eq!(
        (&counts["accepted"], &counts["set_aside"]),
        (&json!(3), &json!(0))
    );
    let results = server.client().get("/api/v1/results").json();
    let row = |id: &str| {
        let mut rows = results["candidates"].as_array().expect("rows").iter();
        rows.find(|row| row["candidate_id"] == id).cloned()
    };
    let (ada, eve) = (
        row("ada").expect("she stands"),
        row("eve").expect("she stands"),
    );
    assert_eq!((&ada["votes"], &eve["votes"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&ada["candidate_name"], &ada["withdrawn"]),
        (&json!("Ada anew"), &json!(true))
    );
    assert_eq!(results["registered"], 24_700);

    // Refused whole, with every problem named; what is in force stays.
    sql.batch_execute(
        "BEGIN;
         UPDATE locations SET parent = 'north' WHERE location IN ('north', 'south');
         DELETE FROM candidates WHERE candidate_id = 'bo';
         UPDATE candidates SET candidate_name = 'Nobody' WHERE candidate_id = 'eve';
         COMMIT",
    )
    .expect("the tables let it be");
    let error = until("the register is refused", || {
        status(&server)["register_error"]
            .as_str()
            .map(str::to_string)
    });
    assert!(
        error.contains("north") && !error.contains(PASSWORD),
        "{error}"
    );
    let after = server.client().get("/api/v1/results").json();
    assert_eq!(after["register_version"], results["register_version"]);
    sql.batch_execute(
        "BEGIN;
         UPDATE locations SET parent = NULL WHERE location IN ('north', 'south');
         INSERT INTO candidates (contest_id, candidate_id) VALUES ('mayor', 'bo'), ('council', 'bo');
         COMMIT",
    )
    .expect("the register can be changed");
    until("the register is taken over", || {
        let results = server.client().get("/api/v1/results").json();
        (results["register_version"] != after["register_version"]).then_some(())
    });
    assert_eq!(status(&server)["register_error"], Value::Null);
    agrees(&server, &mut sql);
}

#[test]
fn counting_goes_on_while_the_database_is_away_and_all_is_there_afterwards() {
    let mut database = database();
    let server = start(&database);
    let mut town = Town::new(11);
    let mut count = |lines| {
        assert_eq!(server.client().vote(&town.lines(lines)).status, 202);
        server.settled()["messages"].as_u64().expect("a number")
    };
    count(300);
    agrees(&server, &mut database.client());
    for kill in [false, true] {
        if kill {
            database.kill();
        } else {
            database.stop();
        }
        let before = count(300);
        let failing = until("the status says it", || {
            let results = sink(&server, "results");
            (results["state"] == "failing").then_some(results)
        });
        let error = failing["last_error"].as_str().expect("a text");
        assert!(!error.contains(PASSWORD), "{error}");
        until("the register's source is missed", || {
            status(&server)["register_error"].as_str().map(|_| ())
        });
        assert!(count(300) > before);
        database.start_again();
        agrees(&server, &mut database.client());
        until("the register is read again", || {
            status(&server)["register_error"].is_null().then_some(())
        });
    }

    // One who may not write any more, and then may.
    let mut sql = database.client();
    sql.batch_execute("ALTER TABLE published RENAME TO elsewhere")
        .expect("the owner may");
    count(300);
    until("the status says it", || {
        let error = sink(&server, "results")["last_error"].as_str()?.to_string();
        error.contains("published").then_some(())
    });
    sql.batch_execute("ALTER TABLE elsewhere RENAME TO published")
        .expect("the owner may");
    agrees(&server, &mut sql);
}

#[test]
fn a_start_without_the_database_goes_on_with_the_last_register() {
    let mut database = database();
    let server = start(&database);
    let mut town = Town::new(13);
    assert_eq!(server.client().vote(&town.lines(200)).status, 202);
    server.settled();
    let before = server.client().get("/api/v1/results").json();
    let (ended, home) = server.terminate();
    assert!(ended.success());
    database.stop();
    let server = home.start(&["--postgres", &database.url()]);
    let after = server.client().get("/api/v1/results").json();
    assert_eq!(after["candidates"], before["candidates"]);
    assert_eq!(after["register_version"], before["register_version"]);
    assert!(status(&server)["register_error"].is_string());
    database.start_again();
    agrees(&server, &mut database.client());
}

#[test]
fn the_register_moves_between_file_and_database_whole() {
    let database = database();
    let home = Home::new();
    let exported = tallyflow(&home, &database, &["register", "export", "--json"]);
    let exported: Value = serde_json::from_str(&exported).expect("it is JSON");
    for list in ["elections", "contests", "candidates", "locations"] {
        let given = votes::register();
        let (given, got) = (given[list].as_array(), exported[list].as_array());
        assert_eq!(got.map(Vec::len), given.map(Vec::len), "{list}");
    }
    // As TOML, with what the tests' register has none of, and back.
    let mut register = exported.clone();
    register["voters"] = json!([{"voter_id": "v", "election_id": "town", "name": "Vera \u{1f5f3}",
        "email": "v@example.org", "registration_date": "2013-01-02", "location": "0"}]);
    register["contests"][0]["opens_at"] = json!(1_383_508_800_123_i64);
    register["candidates"][0]["withdrawn_at"] = json!(-1);
    home.write_register(&register);
    tallyflow(&home, &database, &["register", "import", "register.json"]);
    let toml = tallyflow(&home, &database, &["register", "export"]);
    std::fs::write(home.path().join("again.toml"), toml).expect("it can be written");
    tallyflow(&home, &database, &["register", "import", "again.toml"]);
    let again = tallyflow(&home, &database, &["register", "export", "--json"]);
    let again: Value = serde_json::from_str(&again).expect("it is JSON");
    for (path, value) in [
        ("/voters/0/name", json!("Vera \u{1f5f3}")),
        ("/voters/0/registration_date", json!("2013-01-02")),
        ("/contests/0/opens_at", json!(1_383_508_800_123_i64)),
        ("/candidates/0/withdrawn_at", json!(-1)),
    ] {
        assert_eq!(again.pointer(path), Some(&value), "{path}");
    }
    // One that drops a candidate is refused, and nothing of it is taken.
    register["candidates"].as_array_mut().expect("rows").pop();
    home.write_register(&register);
    let refused = Command::new(env!("CARGO_BIN_EXE_tallyflow"))
        .current_dir(home.path())
        .args([
            "register",
            "import",
            "register.json",
            "--postgres",
            &database.url(),
        ])
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("--allow-drop"),
        "{said}"
    );
}

#[test]
fn a_newer_schema_and_a_role_without_rights_are_told_apart() {
    let database = database();
    let mut sql = database.client();
    sql.batch_execute(
        "CREATE ROLE counter LOGIN PASSWORD 'counting';
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO counter;
         GRANT INSERT, UPDATE, DELETE ON candidate_results, location_results, window_results,
             published TO counter",
    )
    .expect("the owner may");
    let url = format!(
        "postgresql://counter:counting@127.0.0.1:{}/postgres",
        database.port()
    );
    let server = Home::new().start(&["--postgres", &url]);
    assert_eq!(server.client().vote(&votes::vote("v")).status, 202);
    agrees(&server, &mut sql);
    drop(server);

    sql.batch_execute(
        "INSERT INTO refinery_schema_history
         SELECT version + 1000, 'later', applied_on, checksum FROM refinery_schema_history LIMIT 1",
    )
    .expect("the owner may");
    let server = Home::new().start(&["--postgres", &database.url(), "--register", "register.json"]);
    until("the status says it", || {
        let error = sink(&server, "results")["last_error"].as_str()?.to_string();
        error.contains("newer tallyflow").then_some(())
    });
}

/// What the table has of an event, from its line.
fn row_of(line: &str) -> String {
    let event: Value = serde_json::from_str(line).expect("it is JSON");
    let is_void = event["type"] == "void";
    let choices = if is_void {
        Value::Null
    } else {
        event["choices"].clone()
    };
    json!([
        if is_void { "void" } else { "cast" },
        event["voter_id"],
        event["vote_id"],
        event["contest_id"],
        choices[0],
        choices,
        event["timestamp"],
        event["location"],
    ])
    .to_string()
}

#[test]
fn every_valid_event_is_a_row_exactly_once_through_crashes_of_both() {
    let mut database = database();
    let mut town = Town::new(17);
    let mut sent = Vec::new();
    let mut server = start(&database);
    for round in 0..8 {
        for _ in 0..6 {
            let lines = town.lines(200);
            assert_eq!(server.client().vote(&lines).status, 202);
            sent.extend(lines.lines().map(row_of));
        }
        if round == 5 {
            database.kill();
            database.start_again();
        }
        server = server.kill().start(&["--postgres", &database.url()]);
    }
    let refused = server.client().vote("{}").status;
    assert_eq!(refused, 400, "what is no event is in no table");
    let messages = server.settled()["messages"].clone();
    assert_eq!(messages, sent.len());
    until("all votes are written", || {
        let (votes, status) = (sink(&server, "votes"), status(&server));
        (votes["tick"] == status["tick"] && votes["state"] == "ok").then_some(())
    });
    let mut sql = database.client();
    let rows = sql.query(
        "SELECT json_build_array(type, voter_id, vote_id, contest_id, candidate_id, choices,
             (extract(epoch FROM timestamp) * 1000)::bigint, location)::text FROM votes",
        &[],
    );
    let mut found: Vec<String> = rows
        .expect("it can be asked")
        .iter()
        .map(|row| {
            let row: Value = serde_json::from_str(row.get(0)).expect("it is JSON");
            row.to_string()
        })
        .collect();
    found.sort();
    sent.sort();
    assert_eq!(found, sent);
}
