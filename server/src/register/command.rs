//! `tallyflow register import` and `export`: the register between a file and PostgreSQL.

use std::path::Path;

use anyhow::Context;
use dataflow::hash::KeyedHash;
use dataflow::register::{Candidate, Contest, Election, Location, Register, RegisterChange};
use postgres::types::ToSql;
use postgres::{Client, Transaction};
use serde::Serialize;

use super::database::{self, DATE_STYLE};
use super::reading::{Person, Read, Reading};
use super::{RegisterError, check_against, file};
use crate::output::print;
use crate::postgres::{PostgresError, PostgresSettings, migrate};

/// The tables, those that others name last.
const TABLES: [&str; 5] = ["voters", "locations", "candidates", "contests", "elections"];

/// Makes the register of the database that of a file, in one transaction. Rows that only the
/// database has go; without `allow_drop`, none go that votes could be for.
pub fn import(path: &Path, settings: &PostgresSettings, allow_drop: bool) -> anyhow::Result<()> {
    let Read { register, people } = file::read(path, reading())?;
    let mut client = settings.connect()?;
    migrate(&mut client)?;
    let failed = PostgresError::doing("take the register");
    let mut transaction = client.transaction().map_err(&failed)?;
    // Against two imports at a time, and whoever edits meanwhile.
    let lock = format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        TABLES.join(", ")
    );
    transaction.batch_execute(&lock).map_err(&failed)?;
    transaction.batch_execute(DATE_STYLE).map_err(&failed)?;
    let before = before(&mut transaction).map_err(&failed)?;
    let change = RegisterChange {
        allow_drop,
        recounted: before.contests.is_empty(),
    };
    check_against(&register, &before, change, || {
        format!("'{}'", path.display())
    })?;
    replace(&mut transaction, &register, &people).map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    let done = format!(
        "the register in postgresql at {settings} is that of '{}' now: {}, {}, {}, {}, {}\n",
        path.display(),
        counted(register.elections.len(), "election"),
        counted(register.contests.len(), "contest"),
        counted(register.candidates.len(), "candidate"),
        counted(register.locations.len(), "location"),
        counted(people.len(), "voter"),
    );
    print(&done).context("could not print what was done, which is done")
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Reads voters with all that is known of them. The hashes only find out who is there twice, and
/// go nowhere.
fn reading() -> Reading {
    Reading::new(KeyedHash::new([0; 16])).with_people()
}

/// A register with its voters, as a file has it.
#[derive(Serialize)]
struct Whole<'a> {
    elections: &'a [Election],
    contests: &'a [Contest],
    candidates: &'a [Candidate],
    locations: &'a [Location],
    voters: &'a [Person],
}

/// Prints the register of the database in the form of a file: TOML, or JSON.
pub fn export(settings: &PostgresSettings, as_json: bool) -> anyhow::Result<()> {
    let mut client = settings.connect()?;
    migrate(&mut client)?;
    let reading = read(&mut client).map_err(RegisterError::from)?;
    let from = format!("in postgresql at {settings}");
    let read = reading.finish(&from);
    let Read { register, people } = read.map_err(|wrong| RegisterError::wrong(from, wrong))?;
    let whole = Whole {
        elections: &register.elections,
        contests: &register.contests,
        candidates: &register.candidates,
        locations: &register.locations,
        voters: &people,
    };
    let text = if as_json {
        serde_json::to_string_pretty(&whole)? + "\n"
    } else {
        toml::to_string(&whole)?
    };
    print(&text).context("could not print the register")
}

fn read(client: &mut Client) -> Result<Reading, PostgresError> {
    let failed = PostgresError::doing("read the register");
    let mut rows = database::begin(client).map_err(&failed)?;
    let mut reading = reading();
    database::lists(&mut rows, &mut reading).map_err(&failed)?;
    database::people(&mut rows, &mut reading).map_err(failed)?;
    Ok(reading)
}

/// What the database has, as far as it can be read: what cannot be is mended by what comes.
fn before(rows: &mut Transaction<'_>) -> Result<Register, postgres::Error> {
    let mut reading = Reading::new(KeyedHash::new([0; 16]));
    database::lists(rows, &mut reading)?;
    database::roll(rows, &mut reading)?;
    Ok(reading.unchecked())
}

fn replace(
    transaction: &mut Transaction<'_>,
    register: &Register,
    people: &[Person],
) -> Result<(), postgres::Error> {
    for table in TABLES {
        transaction.execute(&format!("DELETE FROM {table}"), &[])?;
    }
    // Fields are columns, but for times, which are integers in one and instants in the other.
    let instants = |columns: &[&str]| -> String {
        let instant = |column: &&str| format!("to_timestamp({column} / 1000.0)");
        columns.iter().map(instant).collect::<Vec<_>>().join(", ")
    };
    insert(
        transaction,
        "INSERT INTO elections SELECT * FROM json_populate_recordset(NULL::elections, $1::text::json)",
        &register.elections,
    )?;
    insert(
        transaction,
        &format!(
            "INSERT INTO contests (contest_id, election_id, name, is_default, kind, revote,
                 window_ms, slide_ms, opens_at, closes_at)
             SELECT contest_id, election_id, name, is_default, kind, revote, window_ms, slide_ms, {}
             FROM json_to_recordset($1::text::json) AS row(contest_id text, election_id text,
                 name text, is_default boolean, kind text, revote text, window_ms bigint,
                 slide_ms bigint, opens_at bigint, closes_at bigint)",
            instants(&["opens_at", "closes_at"])
        ),
        &register.contests,
    )?;
    insert(
        transaction,
        &format!(
            "INSERT INTO candidates (contest_id, candidate_id, candidate_name, short_name, party, biography,
                 campaign_promises, photo_url, color, position, withdrawn_at)
             SELECT contest_id, candidate_id, candidate_name, short_name, party, biography, campaign_promises,
                 photo_url, color, position, {}
             FROM json_to_recordset($1::text::json) AS row(contest_id text, candidate_id text,
                 candidate_name text, short_name text, party text, biography text, campaign_promises text,
                 photo_url text, color text, position bigint, withdrawn_at bigint)",
            instants(&["withdrawn_at"])
        ),
        &register.candidates,
    )?;
    insert(
        transaction,
        "INSERT INTO locations SELECT * FROM json_populate_recordset(NULL::locations, $1::text::json)",
        &register.locations,
    )?;
    insert(
        transaction,
        "INSERT INTO voters SELECT * FROM json_populate_recordset(NULL::voters, $1::text::json)",
        people,
    )
}

/// So many rows go in one statement: a long roll is no one text.
const ROWS_AT_A_TIME: usize = 10_000;

fn insert<R: serde::Serialize>(
    transaction: &mut Transaction<'_>,
    statement: &str,
    rows: &[R],
) -> Result<(), postgres::Error> {
    for rows in rows.chunks(ROWS_AT_A_TIME) {
        let rows = serde_json::to_string(rows).expect("a register is plain data");
        let parameters: [&(dyn ToSql + Sync); 1] = [&rows];
        transaction.execute(statement, &parameters)?;
    }
    Ok(())
}
