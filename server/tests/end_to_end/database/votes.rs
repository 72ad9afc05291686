//! The table of votes: every valid event of the log once.

use postgres::Client as Sql;
use serde_json::{Value, json};

use super::{database, sink, start, status};
use crate::postgres::Database;
use crate::support::votes::{EVENING_MS, Town};
use crate::support::{Server, until};

/// How often the service is killed.
const KILLS: usize = 50;

/// Events that are sent before each kill.
const EVENTS: usize = 1200;

/// How many rows there are, and whether a transaction of the service writes more.
const PROGRESS: &str = "SELECT (SELECT count(*) FROM votes), EXISTS (
    SELECT FROM pg_stat_activity
    WHERE application_name = 'tallyflow' AND xact_start IS NOT NULL AND query LIKE 'COPY votes%')";

/// What the table has of an event, from its line.
pub fn row_of(line: &str) -> String {
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

/// Waits until all that was counted is written.
pub fn all_are_written(server: &Server) {
    until("all votes are written", || {
        let (votes, status) = (sink(server, "votes"), status(server));
        (votes["tick"] == status["tick"] && votes["state"] == "ok").then_some(())
    });
}

/// Waits until all that was counted is written, and compares the whole table with what was sent.
pub fn all_are_there_once(server: &Server, sql: &mut Sql, mut sent: Vec<String>) {
    assert_eq!(server.settled()["messages"], sent.len());
    all_are_written(server);
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
    let differs = found.iter().zip(&sent).find(|(found, sent)| found != sent);
    assert_eq!((found.len(), differs), (sent.len(), None));
}

/// Waits for another moment each time: nothing of the last events is written, a transaction with
/// some of them is open, a part of them is there, or all are.
fn written_as_far_as(database: &Database, sent: usize, kill: usize) {
    let mut sql = database.client();
    let mut are_there = |rows: usize, or_writing: bool| {
        let answer = sql.query_one(PROGRESS, &[]).expect("it can be asked");
        let (there, is_writing): (i64, bool) = (answer.get(0), answer.get(1));
        (there as usize >= rows || (or_writing && is_writing)).then_some(())
    };
    match kill % 4 {
        0 => {}
        1 => until("a transaction writes", || are_there(sent, true)),
        2 => until("a part is written", || {
            are_there(sent - EVENTS * (kill % 7) / 7, false)
        }),
        _ => until("all is written", || are_there(sent, false)),
    }
}

#[test]
fn every_valid_event_is_a_row_exactly_once_through_crashes_of_both() {
    let mut database = database();
    let mut town = Town::new(17);
    let mut sent = Vec::new();
    let mut server = start(&database);
    for kill in 0..KILLS {
        for _ in 0..3 {
            let lines = town.lines(EVENTS / 3);
            assert_eq!(server.client().vote(&lines).status, 202);
            sent.extend(lines.lines().map(row_of));
        }
        if kill % 20 == 10 {
            database.kill();
            database.start_again();
        }
        written_as_far_as(&database, sent.len(), kill);
        server = server.kill().start(&["--postgres", &database.url()]);
    }
    let refused = server.client().vote("{}").status;
    assert_eq!(refused, 400, "what is no event is in no table");
    all_are_there_once(&server, &mut database.client(), sent);
}

#[test]
fn every_text_and_instant_that_an_event_may_hold_is_written() {
    let database = database();
    let server = start(&database);
    let long = "\u{1f5f3}".repeat(32);
    let texts = [
        "\\0",
        "\\N",
        "\\.",
        "{\"}",
        "NULL",
        " ",
        "\t\n",
        "\u{202e}abc",
        "'); DROP",
        &long,
    ];
    let mut lines = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        lines.push(
            json!({"vote_id": text, "voter_id": text, "contest_id": text, "location": text,
                          "choices": [text, "ada"],
                          "timestamp": EVENING_MS + number as i64}),
        );
        lines.push(json!({"type": "void", "vote_id": text, "voter_id": text, "contest_id": text}));
    }
    // The first instant, and one before 1970.
    for timestamp in [-62_135_596_800_000_i64, -1] {
        lines.push(
            json!({"vote_id": "1", "voter_id": "v", "contest_id": "mayor", "choices": [],
                          "location": "0", "timestamp": timestamp}),
        );
    }
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let answer = server.client().vote(&lines.join("\n"));
    let said = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 202, "{said}");
    let sent = lines.iter().map(|line| row_of(line)).collect();
    let mut sql = database.client();
    all_are_there_once(&server, &mut sql, sent);
    // The windows of the earliest begin in the year before 1.
    until("results are written", || {
        let results = sink(&server, "results");
        (results["state"] == "ok").then_some(())
    });
    let earliest = sql
        .query_one(
            "SELECT count(*) FROM window_results WHERE start < '0001-01-01 UTC' AND accepted = 1",
            &[],
        )
        .expect("it can be asked");
    assert!(earliest.get::<_, i64>(0) > 0);
}
