//! The queries of docs/postgresql.md, word by word, beside what is served at the same tick.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client as Sql;
use serde_json::{Value, json};

use super::agree::agrees;
use super::votes::all_are_written;
use super::{database, start};
use crate::support::votes::Town;

/// A query of docs/postgresql.md, of the contest of the tests.
pub fn readme(of: &str) -> String {
    let text = include_str!("../../../../docs/postgresql.md");
    let mut blocks = text.split("```sql").skip(1);
    let block = blocks
        .find(|block| block.contains(of))
        .expect("it is there");
    let query = block.split("```").next().expect("it ends");
    query.replace("'chair'", "'mayor'")
}

fn rows(sql: &mut Sql, of: &str) -> Vec<Value> {
    let query = readme(of);
    let query = query.trim().trim_end_matches(';');
    let as_json = format!("SELECT to_json(row)::text FROM ({query}) AS row");
    let rows = sql.query(&as_json, &[]).expect("it can be asked");
    let rows = rows.iter().map(|row| serde_json::from_str(row.get(0)));
    rows.collect::<Result<_, _>>().expect("rows are JSON")
}

#[test]
fn the_queries_of_an_election_office_give_what_is_served() {
    let database = database();
    let mut sql = database.client();
    let server = start(&database);
    let (mut town, mut sent) = (Town::new(23), Vec::new());
    for _ in 0..5 {
        let lines = town.lines(800);
        assert_eq!(server.client().vote(&lines).status, 202);
        sent.extend(lines.lines().map(str::to_string));
    }
    agrees(&server, &mut sql);
    let ask = |route: &str| server.client().get(&format!("/api/v1/{route}")).json();

    let results = ask("results");
    let published = sql.query_one("SELECT tick FROM published", &[]);
    let tick: i64 = published.expect("it can be asked").get(0);
    assert_eq!(results["tick"], tick);
    let percent = |share: &Value| (share.as_f64().unwrap_or_default() * 1e4).round() / 100.0;
    let candidates: Vec<Value> = list(&results["candidates"])
        .map(|row| {
            json!({"candidate_name": row["candidate_name"], "party": row["party"],
                   "votes": row["votes"], "percent": percent(&row["share"]), "rank": row["rank"]})
        })
        .collect();
    let mut found = rows(&mut sql, "candidate_results WHERE");
    assert_eq!(found.len(), candidates.len());
    for (found, served) in found.iter_mut().zip(candidates) {
        // A numeric keeps its zeros.
        found["percent"] = json!(found["percent"].as_f64());
        assert_eq!(*found, served);
    }

    let mut close: Vec<Value> = list(&ask("locations?parent=*")["locations"])
        .filter(|row| row["leaf"] == true && row["accepted"] != 0)
        .filter(|row| {
            let votes = row["votes"].as_object().expect("votes").values();
            let mut votes: Vec<f64> = votes.filter_map(Value::as_f64).collect();
            votes.sort_by(|one, other| other.total_cmp(one));
            votes[0] <= 1.05 * votes.get(1).copied().unwrap_or_default()
        })
        .map(|row| {
            json!({"location": row["location"], "name": row["name"], "leader": row["leader"],
                   "accepted": row["accepted"], "turnout": row["turnout"]})
        })
        .collect();
    close.sort_by_key(|row| row["name"].to_string());
    assert!(!close.is_empty(), "or nothing is compared");
    let mut found = rows(&mut sql, "FROM location_results");
    found.sort_by_key(|row| row["name"].to_string());
    assert_eq!(found, close);

    let windows: Vec<[Value; 3]> = list(&ask("windows?limit=12")["windows"])
        .map(|row| ["accepted", "late", "final"].map(|key| row[key].clone()))
        .collect();
    let found: Vec<[Value; 3]> = rows(&mut sql, "FROM window_results")
        .iter()
        .map(|row| ["accepted", "late", "final"].map(|key| row[key].clone()))
        .collect();
    assert_eq!(found, windows);

    // From the events as they were sent: who has casts with several ids in the contest.
    let mut casts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in &sent {
        let event: Value = serde_json::from_str(line).expect("it is JSON");
        if event["contest_id"] == "mayor" && event["type"] != "void" {
            let text = |key: &str| event[key].as_str().expect("a text").to_string();
            let ids = casts.entry(text("voter_id")).or_default();
            ids.insert(text("vote_id"));
        }
    }
    casts.retain(|_, ids| ids.len() > 1);
    assert!(!casts.is_empty(), "or nothing is compared");
    all_are_written(&server);
    let mut found = rows(&mut sql, "count(DISTINCT vote_id)");
    found.sort_by_key(|row| row["voter_id"].to_string());
    let mut again: Vec<Value> = casts
        .iter()
        .map(|(voter, ids)| json!({"voter_id": voter, "votes": ids.len()}))
        .collect();
    again.sort_by_key(|row| row["voter_id"].to_string());
    assert_eq!(found, again);
}

fn list(rows: &Value) -> impl Iterator<Item = &Value> {
    rows.as_array().expect("rows").iter()
}
