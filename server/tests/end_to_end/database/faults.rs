//! A database that is away, full, or forbids.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::{Client as Sql, NoTls};

use super::agree::agrees;
use super::queries::readme;
use super::votes::{all_are_there_once, row_of};
use super::{database, sink, start, status, why};
use crate::postgres::{Database, PASSWORD};
use crate::support::votes::Town;
use crate::support::{Home, Server, until};

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
        assert!(failing["last_error"].is_string());
        let error = until("the operator is told", || why(&server, "results"));
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
        let error = why(&server, "results")?;
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

/// How long each fault lasts, in seconds; a longer one is for a run by hand.
const FAULT: &str = "TALLYFLOW_TEST_FAULT_SECONDS";

/// How often votes are sent.
const PACE: Duration = Duration::from_millis(10);

/// Votes that flow until they are told to stop.
struct Flow {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Vec<String>>,
}

impl Flow {
    fn start(server: &Server) -> Flow {
        let client = server.client();
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (mut town, mut sent) = (Town::new(29), Vec::new());
            while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                let lines = town.lines(50);
                assert_eq!(client.vote(&lines).status, 202);
                sent.extend(lines.lines().map(row_of));
            }
            sent
        });
        Flow { stop, thread }
    }

    fn end(self) -> Vec<String> {
        drop(self.stop);
        self.thread.join().expect("votes were taken all the time")
    }
}

/// Ends the service's connections, and takes all that are left before it is back. One that is
/// between its password and its session is in no list, and frees a place later: so this is done
/// until the service has been told.
fn fill(database: &Database, held: &mut Vec<Sql>) {
    let config: postgres::Config = database.url().parse().expect("it is a URL");
    loop {
        while let Ok(client) = config.connect(NoTls) {
            held.push(client);
        }
        let ended = held[0].query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE usename = 'counter'",
            &[],
        );
        if ended.expect("it can be asked").is_empty() {
            return;
        }
    }
}

#[test]
fn under_load_every_fault_is_told_and_all_converges_afterwards() {
    let lasts = std::env::var(FAULT).map(|text| text.parse().expect("a number of seconds"));
    let lasts = Duration::from_secs(lasts.unwrap_or(2));
    let mut database = database();
    let mut sql = database.client();
    sql.batch_execute(&readme("CREATE ROLE counter").replace('…', "counting"))
        .expect("the documented role can be made");
    let url = format!(
        "postgresql://counter:counting@127.0.0.1:{}/postgres",
        database.port()
    );
    let server = Home::new().start(&["--postgres", &url]);
    let flow = Flow::start(&server);
    let told = |name: &str, part: &str| {
        let error = why(&server, name)?;
        assert!(!error.contains("counting"), "{error}");
        error.contains(part).then_some(())
    };
    let failing = |name: &str, part: &str| {
        until(&format!("{name} says '{part}'"), || told(name, part));
    };
    let counting_goes_on = || {
        let messages = || status(&server)["messages"].as_u64().expect("a number");
        let over = Instant::now() + lasts;
        while Instant::now() < over {
            let before = messages();
            until("counting goes on", || (messages() > before).then_some(()));
        }
    };
    for kill in [false, true] {
        if kill {
            database.kill();
        } else {
            database.stop();
        }
        failing("results", "");
        failing("votes", "");
        counting_goes_on();
        database.start_again();
        recovered(&server);
    }

    let mut held = vec![database.client()];
    for name in ["results", "votes"] {
        until(&format!("{name} says 'too many clients'"), || {
            fill(&database, &mut held);
            told(name, "too many clients")
        });
    }
    counting_goes_on();
    drop(held);
    recovered(&server);

    let mut sql = database.client();
    for (name, table) in [("results", "candidate_results"), ("votes", "votes")] {
        sql.batch_execute(&format!("REVOKE INSERT, UPDATE ON {table} FROM counter"))
            .expect("the owner may");
        failing(name, &format!("permission denied for table {table}"));
        counting_goes_on();
        sql.batch_execute(&format!("GRANT INSERT, UPDATE ON {table} TO counter"))
            .expect("the owner may");
        recovered(&server);
    }
    let sent = flow.end();
    agrees(&server, &mut sql);
    all_are_there_once(&server, &mut sql, sent);
}

/// Waits until both sinks are well again.
fn recovered(server: &Server) {
    until("both are written again", || {
        let is_well = |name: &str| sink(server, name)["state"] == "ok";
        (is_well("results") && is_well("votes")).then_some(())
    });
}
