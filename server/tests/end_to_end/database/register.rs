//! The register in the database.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::agree::agrees;
use super::{database, start, status, tallyflow};
use crate::postgres::{Database, PASSWORD};
use crate::support::{Home, Server, Stream, until, votes};

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
    let said = refused_import(&home, &database);
    assert!(said.contains("--allow-drop"), "{said}");
}

#[test]
fn a_contest_without_end_is_one_and_blocks_nothing() {
    let database = database();
    let mut sql = database.client();
    sql.batch_execute(
        "UPDATE contests SET opens_at = '-infinity', closes_at = 'infinity'
         WHERE contest_id = 'mayor'",
    )
    .expect("the register can be changed");
    let server = start(&database);
    assert_eq!(server.client().vote(&votes::vote("a")).status, 202);
    server.settled();
    let results = |server: &Server| server.client().get("/api/v1/results").json();
    assert_eq!(results(&server)["counts"]["accepted"], 1);
    sql.batch_execute("UPDATE contests SET closes_at = 'infinity' WHERE contest_id = 'council'")
        .and_then(|()| sql.batch_execute("UPDATE candidates SET withdrawn_at = 'infinity'"))
        .and_then(|()| sql.batch_execute("UPDATE elections SET name = 'Renamed'"))
        .expect("the register can be changed");
    until("the change is in force", || {
        let elections = server.client().get("/api/v1/elections").json();
        (elections["elections"][0]["name"] == "Renamed").then_some(())
    });
    assert_eq!(status(&server)["register_error"], Value::Null);
    // And the next start.
    let server = server.kill().start(&["--postgres", &database.url()]);
    assert_eq!(status(&server)["register_error"], Value::Null);
    assert_eq!(results(&server)["counts"]["accepted"], 1);
}

#[test]
fn every_value_that_cannot_be_read_is_named_by_table_key_and_column() {
    let database = database();
    let mut sql = database.client();
    let server = start(&database);
    // What the tables let be, and what they let be once somebody has altered them.
    sql.batch_execute(
        "BEGIN;
         ALTER TABLE contests DROP CONSTRAINT contests_revote_check;
         ALTER TABLE contests ALTER name TYPE bytea USING '\\xff'::bytea;
         ALTER TABLE locations DROP CONSTRAINT locations_registered_check,
             ALTER registered TYPE numeric;
         UPDATE locations SET registered = 'NaN' WHERE location = '3';
         UPDATE elections SET date = '0044-03-15 BC';
         UPDATE contests SET revote = 'Last', opens_at = '0044-03-15 BC' WHERE contest_id = 'mayor';
         UPDATE contests SET closes_at = '20000-01-01' WHERE contest_id = 'council';
         UPDATE candidates SET withdrawn_at = '0001-01-01 BC'
             WHERE (contest_id, candidate_id) = ('mayor', 'ada');
         COMMIT",
    )
    .expect("the tables let it be");
    let error = until("the register is refused", || {
        let error = status(&server)["register_error"]
            .as_str()
            .map(str::to_string);
        error.filter(|error| error.contains("opens_at"))
    });
    for (key, column) in [
        ("election 'town'", "date"),
        ("contest 'mayor'", "name"),
        ("contest 'mayor'", "revote"),
        ("contest 'mayor'", "opens_at"),
        ("contest 'council'", "name"),
        ("contest 'council'", "closes_at"),
        ("candidate 'ada' of 'mayor'", "withdrawn_at"),
        ("location '3' of 'town'", "registered"),
    ] {
        let mut each = error.split("; ");
        let named = each.any(|one| one.contains(key) && one.contains(column));
        assert!(named, "{key}, {column} in {error}");
    }
    for date in ["0044", "20000", "infinity", "NaN"] {
        assert!(!error.contains(date), "{date} in {error}");
    }
    sql.batch_execute("UPDATE elections SET date = '2013-11-03'")
        .expect("the table lets it be");
    until("every change is looked at", || {
        let error = status(&server)["register_error"]
            .as_str()
            .map(str::to_string);
        error.filter(|error| !error.contains("election 'town'") && error.contains("opens_at"))
    });
}

#[test]
fn an_import_that_the_database_refuses_quotes_no_voter() {
    let database = database();
    let mut sql = database.client();
    sql.batch_execute("ALTER TABLE voters ADD CHECK (email LIKE '%@%')")
        .expect("the table can be altered");
    let home = Home::new();
    let mut register = votes::register();
    register["voters"] = json!([{"voter_id": "secret-id", "election_id": "town",
        "name": "Secret Name", "email": "secret at example.org"}]);
    home.write_register(&register);
    let said = refused_import(&home, &database);
    assert!(said.contains("voters_email_check"), "{said}");
    // Nor does what is refused before it comes there.
    register["voters"][0]["registration_date"] = json!("secret day");
    home.write_register(&register);
    let also = refused_import(&home, &database);
    assert!(also.contains("voters[0], registration_date"), "{also}");
    for said in [said, also] {
        assert!(!said.to_lowercase().contains("secret"), "{said}");
    }
}

/// What an import says that is refused.
fn refused_import(home: &Home, database: &Database) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tallyflow"))
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
    assert!(!output.status.success(), "it is refused");
    String::from_utf8_lossy(&output.stderr).replace(PASSWORD, "secret")
}
