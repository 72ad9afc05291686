//! Small numbers over the real thing: no answer, frame or restart gives one away.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Client, Server, Stream, votes};

const MIN: u64 = 5;

/// What a reader holds of the locations: a row's ballots by candidate, blank ones under "".
type Rows = BTreeMap<String, BTreeMap<String, i64>>;

/// Notes the rows of an event or an answer, and checks each by itself and beside what it was.
fn take(rows: &mut Rows, locations: &Value) {
    for row in locations.as_array().expect("rows") {
        if row["suppressed"] == true {
            assert!(
                row["accepted"].is_null() && row["votes"].is_null() && row["turnout"].is_null()
            );
            continue;
        }
        check_figures(row);
        let code = row["location"].as_str().expect("a code").to_string();
        let mut now: BTreeMap<String, i64> = BTreeMap::new();
        now.insert(String::new(), row["blank"].as_i64().expect("a count"));
        for (id, votes) in row["votes"].as_object().expect("votes") {
            now.insert(id.clone(), votes.as_i64().expect("a count"));
        }
        if let Some(then) = rows.insert(code.clone(), now.clone()) {
            let ids = then.keys().chain(now.keys()).cloned();
            let ids: std::collections::BTreeSet<String> = ids.collect();
            let of = |votes: &BTreeMap<String, i64>, id| votes.get(id).copied().unwrap_or(0);
            let differences = ids.iter().map(|id| of(&now, id) - of(&then, id));
            let came: i64 = differences.clone().filter(|votes| *votes > 0).sum();
            let went: i64 = differences.filter(|votes| *votes < 0).sum();
            let changed = came.max(-went) as u64;
            assert!(
                changed == 0 || changed >= MIN,
                "{code} is sent anew for {changed}"
            );
        }
    }
}

fn check_figures(row: &Value) {
    let accepted = row["accepted"].as_u64().expect("a figure");
    assert!(accepted == 0 || accepted >= MIN, "a row of too few: {row}");
}

fn check_windows(windows: &Value) {
    for row in windows.as_array().expect("rows") {
        check_figures(row);
    }
}

/// Follows a stream until it shows so many messages; gives the rows that it has then.
fn follow(server: &Server, query: &str, messages: i64) -> Rows {
    let mut stream = Stream::open(server.address(), query, None);
    let mut rows = Rows::new();
    loop {
        let event = stream.next().expect("an event");
        if event.name == "alive" {
            continue;
        }
        take(&mut rows, &event.data["locations"]);
        check_windows(&event.data["windows"]["windows"]);
        for correction in event.data["corrections"].as_array().into_iter().flatten() {
            assert!(correction["minus"].as_u64() >= Some(MIN), "{correction}");
        }
        for rest in event.data["rest"].as_array().into_iter().flatten() {
            if rest["suppressed"] != true {
                check_figures(rest);
            }
        }
        let offsets = event.data["results"]["offsets"]
            .as_object()
            .expect("offsets");
        if offsets.values().filter_map(Value::as_i64).sum::<i64>() >= messages {
            return rows;
        }
    }
}

/// A few votes at a time, some from places that hardly anybody votes in.
fn vote(client: &Client, count: usize) {
    let mut next = 0;
    while next < count {
        let batch = (1 + next % 9).min(count - next);
        let lines: Vec<String> = (next..next + batch).map(line).collect();
        assert_eq!(client.vote(&lines.join("\n")).status, 202);
        next += batch;
    }
    // The stream ends with a message that changes its contest for certain.
    assert_eq!(client.vote(&votes::vote("the last")).status, 202);
}

fn line(number: usize) -> String {
    let place = [0, 2, 1, 3, 0, 2, 4, 1, 5, 0][number * 7 % 10];
    json!({"vote_id": "1", "voter_id": format!("v{number}"), "location": place.to_string(),
        "candidate_id": votes::CANDIDATES[number * 5 % 3],
        "timestamp": votes::EVENING_MS + number as i64 * 400})
    .to_string()
}

fn locations(client: &Client) -> Value {
    let mut answer = client.get("/api/v1/locations?parent=*").json();
    for member in ["tick", "as_of"] {
        answer[member] = Value::Null;
    }
    answer
}

#[test]
fn nothing_below_the_least_is_given_away() {
    const VOTES: usize = 300;
    let flags = ["--disclose-min", "5"];
    let server = Server::start_with(&flags);
    let all = (VOTES + 1) as i64;
    let (prompt, slow) = std::thread::scope(|scope| {
        let prompt = scope.spawn(|| follow(&server, "", all));
        let slow = scope.spawn(|| follow(&server, "?interval_ms=250", all));
        vote(&server.client(), VOTES);
        (
            prompt.join().expect("a reader"),
            slow.join().expect("a slow reader"),
        )
    });
    assert_eq!(prompt, slow, "both readers have the same rows");
    server.settled();
    let before = locations(&server.client());
    take(&mut prompt.clone(), &before["locations"]);
    let results = server.client().get("/api/v1/results").json();
    assert_eq!(results["counts"]["accepted"], VOTES + 1, "totals are live");
    let shown = |code: &str| {
        let rows = before["locations"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["location"] == code);
        row.expect("a row")["accepted"].as_i64()
    };
    assert!(shown("north") > Some(100), "{before}");
    let roots = shown("north").unwrap_or(0) + shown("south").unwrap_or(0);
    let rests = before["rest"].as_array().into_iter().flatten();
    match rests.clone().find(|rest| rest["parent"].is_null()) {
        Some(rest) if rest["suppressed"] == true => assert!(roots < all, "{before}"),
        Some(rest) => assert_eq!(Some(all - roots), rest["accepted"].as_i64(), "{before}"),
        None => assert_eq!(roots, all, "{before}"),
    }
    let series = server.client().get("/api/v1/series").json();
    check_windows(&series["points"]);
    assert!(series["points"].as_array().expect("points").len() > 10);
    // A crash and a start show nothing that was held back.
    let server = server.kill().start(&flags);
    server.settled();
    assert_eq!(locations(&server.client()), before);
    take(&mut prompt.clone(), &before["locations"]);
}
