//! `database`: what writing results and votes to PostgreSQL costs the counting, and how fast the
//! table of votes grows.
//!
//! The register comes from a file, so that both contestants count the same. PostgreSQL is as
//! Debian has it, with every commit on the disk, on the same cores.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::cli::Args;
use crate::database::Database;
use crate::load::{Load, Pace};
use crate::report::{Report, Row, Unit};
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size, Topic, Votes};

/// How often the sinks are asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A tenth of the slowest rate that would be a result, in rows a second.
const ROWS_MIN: u64 = 5_000;

/// What one run has found.
struct Found {
    counted: Duration,
    written: Option<Written>,
}

/// The table of votes, once all of them were in it.
struct Written {
    within: Duration,
    bytes: i64,
}

/// Votes that come as fast as the machine sends them, and votes that are there already.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let database = Database::start_durable();
    let size = Size::of(args.votes(4_000_000, 100_000));
    let mut report = Report::new(
        "database",
        format!(
            "{} votes sent while they are counted, and all of the United Kingdom's in Kafka \
             already; -w 2, with and without PostgreSQL",
            size.voters
        ),
    );
    let mut live = ["live", "live, PostgreSQL"].map(Row::new);
    for run in 0..args.runs() {
        for (row, database) in live.iter_mut().zip([None, Some(&database)]) {
            let name = format!("database-{run}-{}", database.is_some());
            let topic = stage.empty_topic(&name, 8, &Filling::plain(size), |_| {})?;
            let found = count(stage, &topic, size.voters, database, |service| {
                while !service.is_ready()? {
                    std::thread::sleep(ASK_EVERY);
                }
                Ok(Some(Load::start(stage, &topic.name, size, Pace::Max)?))
            })?;
            add(row, &found, size.voters);
            stage.delete_topic(&topic.name);
        }
    }
    report.rows.extend(live);
    if !args.quick {
        let filling = Filling {
            votes: Votes::Real("uk-2019"),
            ..Filling::plain(size)
        };
        let topic = stage.fill("database-uk", &filling)?;
        let mut rows = ["UK 2019", "UK 2019, PostgreSQL"].map(Row::new);
        for _ in 0..args.runs() {
            for (row, database) in rows.iter_mut().zip([None, Some(&database)]) {
                let found = count(stage, &topic, topic.messages, database, |_| Ok(None))?;
                add(row, &found, topic.messages);
            }
        }
        report.rows.extend(rows);
    }
    report.notes.push(
        "the sinks begin once a start has caught up: the United Kingdom's votes are counted \
         before they are written"
            .to_string(),
    );
    Ok(report)
}

/// Counts a topic to its end, and has it in the database, if there is one.
fn count(
    stage: &Stage,
    topic: &Topic,
    messages: u64,
    database: Option<&Database>,
    begin: impl FnOnce(&Service) -> anyhow::Result<Option<Load>>,
) -> anyhow::Result<Found> {
    let data = "with-database";
    let _ = std::fs::remove_dir_all(stage.path(data));
    let mut shape = Shape::workers(2);
    if let Some(database) = database {
        database
            .client()
            .batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .context("emptying the database")?;
        shape = shape.with("--postgres").with(&database.url());
    }
    let mut service = Service::start(stage, topic, &shape, data)?;
    let load = begin(&service)?;
    let started = match load {
        Some(_) => Instant::now(),
        None => service.started_at(),
    };
    let counted = service.wait_for(messages)?.duration_since(started);
    drop(load);
    let written = match database {
        Some(database) => Some(written(&service, database, messages, started)?),
        None => None,
    };
    if !topic.expected.is_empty() {
        let differences = service.differences(&topic.expected)?;
        ensure!(differences.is_empty(), "WRONG: {}", differences.join(", "));
    }
    Ok(Found { counted, written })
}

/// Waits until every vote is a row, and sees that it is.
fn written(
    service: &Service,
    database: &Database,
    votes: u64,
    started: Instant,
) -> anyhow::Result<Written> {
    let deadline = Instant::now() + Duration::from_secs(60 + votes / ROWS_MIN);
    loop {
        let status = service.ask("/api/v1/status")?.context("no status")?;
        let sinks = status["sinks"].as_array().context("no sinks")?;
        let votes = sinks.iter().find(|sink| sink["name"] == "votes");
        let votes = votes.context("no votes")?;
        ensure!(
            votes["last_error"] == Value::Null,
            "{}",
            votes["last_error"]
        );
        if votes["tick"] == status["tick"] {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "the votes are not written in time"
        );
        std::thread::sleep(ASK_EVERY);
    }
    let within = started.elapsed();
    let mut sql = database.client();
    let row = sql
        .query_one(
            "SELECT count(*), pg_total_relation_size('votes') FROM votes",
            &[],
        )
        .context("asking for the votes")?;
    let (rows, bytes): (i64, i64) = (row.get(0), row.get(1));
    ensure!(rows as u64 == votes, "WRONG: {rows} rows of {votes} votes");
    Ok(Written { within, bytes })
}

fn add(row: &mut Row, found: &Found, votes: u64) {
    let votes = votes as f64;
    let counted = found.counted.as_secs_f64();
    let mut one = Row::new(row.name.clone());
    one.figure("votes", Unit::PerSecond, [votes / counted])
        .figure("counted", Unit::Seconds, [counted]);
    if let Some(written) = &found.written {
        let within = written.within.as_secs_f64();
        one.figure("rows", Unit::PerSecond, [votes / within])
            .figure("written", Unit::Seconds, [within])
            .figure("a row", Unit::Bytes, [written.bytes as f64 / votes]);
    }
    row.add(one);
}
