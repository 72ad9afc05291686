//! The tables of results.

use serde_json::{Value, json};

use super::agree::agrees;
use super::{database, sink, start, why};
use crate::support::Home;
use crate::support::until;
use crate::support::votes::{self, Town};

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
        let error = why(&server, "results")?;
        error.contains("newer tallyflow").then_some(())
    });
}
