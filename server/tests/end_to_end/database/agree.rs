//! Every row of the tables beside what is served, at one tick.

use postgres::Client as Sql;
use serde_json::{Value, json};

use super::status;
use crate::support::{Server, until};

/// Waits until the database has the tick that is served, and compares every row of it.
pub fn agrees(server: &Server, sql: &mut Sql) {
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
