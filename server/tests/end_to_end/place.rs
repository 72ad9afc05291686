//! The place of checkpoints while it cannot be written.

use std::fs;

use serde_json::Value;

use crate::support::{Home, Server, until, votes};

fn status(server: &Server) -> Value {
    server.client().get("/api/v1/status").json()
}

#[test]
fn results_stand_still_while_the_place_is_away_and_go_on_when_it_is_back() {
    let home = Home::new();
    let (place, away) = (home.path().join("place"), home.path().join("away"));
    let flags = ["--checkpoints", place.to_str().expect("a path in UTF-8")];
    let server = home.start(&flags);
    let vote = |number: usize| {
        let answer = server
            .client()
            .vote(&votes::vote(&format!("voter-{number}")));
        assert_eq!(answer.status, 202);
    };
    vote(0);
    server.settled();
    fs::rename(&place, &away).expect("the place is moved away");

    // Votes come until they are not counted any more; what is published stays.
    let mut sent = 1;
    let stopped = until("results stand still", || {
        vote(sent);
        sent += 1;
        let status = status(&server);
        // More than come between two ticks.
        let behind = status["partitions"].as_array().expect("partitions");
        let lag: i64 = behind.iter().filter_map(|each| each["lag"].as_i64()).sum();
        let error = status["checkpoint"]["tick_error"].as_str();
        (lag > 200 && error.is_some()).then_some(status)
    });
    let error = stopped["checkpoint"]["tick_error"].as_str();
    assert!(
        error.is_some_and(|error| error.starts_with("nothing is published after ")),
        "{error:?}"
    );
    let full = server.client().operations()["checkpoint"]["tick_error"].to_string();
    assert!(full.contains("tick-ceiling"), "{full}");
    let ready = server.client().get("/readyz");
    let said = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(
        ready.status == 200 && said.contains("nothing is published after "),
        "{said}"
    );
    vote(sent);
    sent += 1;
    assert_eq!(status(&server)["tick"], stopped["tick"]);

    fs::rename(&away, &place).expect("the place is back");
    let settled = server.settled();
    assert_eq!(settled["messages"], sent);
    let no_error = || {
        status(&server)["checkpoint"]["tick_error"]
            .is_null()
            .then_some(())
    };
    until("no reason is left", no_error);
    let server = server.kill().start(&flags);
    assert_eq!(server.settled()["messages"], sent);
}
