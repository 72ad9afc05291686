//! The register from PostgreSQL: a transaction's rows in, one whole register out.
//!
//! Triggers tell of every change; the rows are read anew now and then besides, whatever was told,
//! and after every connection that was lost. The roll may be long and is read only when it, or
//! what elections have one, may have changed. Names and addresses of voters are not read.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dataflow::hash::KeyedHash;
use dataflow::register::{List, Register, Voters, is_id};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{FromSql, Type};
use postgres::{Client, IsolationLevel, Transaction};

use super::reading::Reading;
use super::row::{self, Cell, Row};
use super::{RegisterError, RegisterSource};
use crate::postgres::{PostgresError, PostgresSettings, migrate};

/// How often the rows are read though nothing was told.
const READ_EVERY: Duration = Duration::from_secs(10);

/// How often the roll is.
const ROLL_EVERY: Duration = Duration::from_secs(600);

/// Changes come in crowds: this long after one, those that follow it are in.
const CROWD: Duration = Duration::from_millis(20);

/// How long a crowd is waited for at most.
const CROWD_MAX: Duration = Duration::from_millis(200);

/// How soon the end is noticed while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a database that is away is left alone.
const AWAY: Duration = Duration::from_secs(1);

/// Makes dates one text, whatever the database is set to.
pub(super) const DATE_STYLE: &str = "SET LOCAL datestyle = 'ISO, YMD'";

/// The channel of the triggers.
const LISTEN: &str = "LISTEN tallyflow_register";

/// The tables that the roll depends on, as the triggers name them.
const OF_ROLL: [&str; 2] = ["elections", "voters"];

/// See the module.
pub struct RegisterDatabase {
    settings: PostgresSettings,
    hash: KeyedHash,
    client: Option<Client>,
    /// The roll as it was read last, in force or not, and the elections that it is of.
    roll: (Voters, BTreeSet<String>),
    roll_read_at: Option<Instant>,
}

impl RegisterDatabase {
    /// A database that is not asked yet; its voters are hashed under this key.
    pub fn new(settings: PostgresSettings, hash: KeyedHash) -> RegisterDatabase {
        RegisterDatabase {
            settings,
            hash,
            client: None,
            roll: Default::default(),
            roll_read_at: None,
        }
    }

    /// The connection, made and listening where there is none.
    fn client(&mut self) -> Result<&mut Client, PostgresError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            // What changed meanwhile, nobody told.
            self.roll_read_at = None;
            let mut client = self.settings.connect()?;
            migrate(&mut client)?;
            let listening = client.batch_execute(LISTEN);
            listening.map_err(PostgresError::doing("tell of changes"))?;
            self.client = Some(client);
        }
        // It has just been made where there was none.
        self.client.as_mut().ok_or(PostgresError::Address)
    }

    fn read_rows(&mut self, in_force: &Register) -> Result<Option<Register>, RegisterError> {
        let failed = PostgresError::doing("read the register");
        self.client()?;
        let roll_is_due = |at: Instant| at.elapsed() >= ROLL_EVERY;
        let is_due = self.roll_read_at.is_none_or(roll_is_due);
        let (mut reading, roll_elections) = (Reading::new(self.hash), self.roll.1.clone());
        let mut rows = begin(self.client()?).map_err(&failed)?;
        lists(&mut rows, &mut reading).map_err(&failed)?;
        let elections = reading.elections_with_roll();
        let with_roll = is_due || elections != roll_elections;
        if with_roll {
            roll(&mut rows, &mut reading).map_err(&failed)?;
        }
        rows.commit().map_err(&failed)?;
        if with_roll {
            // One that cannot be read is read again.
            let roll = reading.roll();
            self.roll_read_at = roll.is_some().then(Instant::now);
            self.roll = (roll.unwrap_or_default(), elections);
        } else {
            reading.set_roll(self.roll.0.clone());
        }
        let read = reading.finish(&self.name());
        let read = read.map_err(|wrong| RegisterError::wrong(self.name(), wrong))?;
        if self.roll.0 == in_force.voters {
            // One list, however often it was read.
            self.roll.0 = in_force.voters.clone();
        }
        let is_known =
            self.roll.0.is_same(&in_force.voters) && is_same_but_voters(&read.register, in_force);
        Ok((!is_known).then_some(read.register))
    }

    /// Waits for a word of a change, and for those that come with it.
    fn listen(&mut self, stop: &AtomicBool) -> Result<(), postgres::Error> {
        let (began, mut first) = (Instant::now(), None);
        while !stop.load(Ordering::Relaxed) && began.elapsed() < READ_EVERY {
            let Some(client) = self.client.as_mut() else {
                return Ok(());
            };
            let patience = if first.is_some() { CROWD } else { LOOK_EVERY };
            let told = client.notifications().timeout_iter(patience).next()?;
            match told {
                Some(told) => {
                    if OF_ROLL.contains(&told.payload()) {
                        self.roll_read_at = None;
                    }
                    if first.get_or_insert_with(Instant::now).elapsed() > CROWD_MAX {
                        return Ok(());
                    }
                }
                None if first.is_some() => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }
}

impl RegisterSource for RegisterDatabase {
    fn name(&self) -> String {
        format!("in postgresql at {}", self.settings)
    }

    fn public_name(&self) -> &'static str {
        "in the database"
    }

    fn is_waited_for(&self) -> bool {
        true
    }

    fn read(&mut self, in_force: &Register) -> Result<Option<Register>, RegisterError> {
        let read = self.read_rows(in_force);
        if let Err(RegisterError::Database(_)) = &read {
            // Whatever it was, a new connection knows nothing of it.
            self.client = None;
        }
        read
    }

    fn wait(&mut self, stop: &AtomicBool) {
        if self.client.is_none() {
            thread::park_timeout(AWAY);
        } else if self.listen(stop).is_err() {
            // Reading finds out why.
            self.client = None;
        }
    }
}

fn is_same_but_voters(register: &Register, other: &Register) -> bool {
    register.elections == other.elections
        && register.contests == other.contests
        && register.candidates == other.candidates
        && register.locations == other.locations
}

/// Begins a transaction that sees one state of all tables, and in which dates have one form.
pub(super) fn begin(client: &mut Client) -> Result<Transaction<'_>, postgres::Error> {
    let mut rows = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()?;
    rows.batch_execute(DATE_STYLE)?;
    Ok(rows)
}

/// Reads all lists but the voters, in the order of their keys.
pub(super) fn lists(
    rows: &mut Transaction<'_>,
    reading: &mut Reading,
) -> Result<(), postgres::Error> {
    for (list, key) in [
        (List::Elections, &["election_id"][..]),
        (List::Contests, &["contest_id"]),
        (List::Candidates, &["contest_id", "candidate_id"]),
        (List::Locations, &["election_id", "location"]),
    ] {
        whole(rows, list, key, reading)?;
    }
    Ok(())
}

/// Reads the voters with all that is known of them.
pub(super) fn people(
    rows: &mut Transaction<'_>,
    reading: &mut Reading,
) -> Result<(), postgres::Error> {
    whole(rows, List::Voters, &["election_id", "voter_id"], reading)
}

/// Reads the ids of those who are on a roll.
pub(super) fn roll(
    rows: &mut Transaction<'_>,
    reading: &mut Reading,
) -> Result<(), postgres::Error> {
    let voters = "SELECT voter_id, election_id FROM voters JOIN elections USING (election_id)
                  WHERE roll ORDER BY election_id COLLATE \"C\", voter_id COLLATE \"C\"";
    each(rows, voters, |row| {
        match (row.try_get::<_, &str>(0), row.try_get::<_, &str>(1)) {
            (Ok(voter_id), Ok(election_id)) if is_id(voter_id) && is_id(election_id) => {
                reading.voter(election_id, voter_id);
            }
            // One that cannot be an id is said as others are.
            _ => give(row, List::Voters, &ROLL, reading),
        }
        !reading.is_full(List::Voters)
    })
}

/// The columns of [`roll`].
const ROLL: [&str; 2] = ["voter_id", "election_id"];

/// Columns whose values are instants.
const INSTANTS: [&str; 3] = ["opens_at", "closes_at", "withdrawn_at"];

/// Columns whose values are days.
const DATES: [&str; 2] = ["date", "registration_date"];

fn whole(
    rows: &mut Transaction<'_>,
    list: List,
    key: &[&str],
    reading: &mut Reading,
) -> Result<(), postgres::Error> {
    let columns = row::fields(list);
    // What is no instant or day of ours has a text of its own, such as 'infinity' or '… BC'.
    let expression = |column: &&str| match *column {
        it if INSTANTS.contains(&it) => format!(
            "CASE WHEN isfinite({it}) THEN floor(extract(epoch FROM {it}) * 1000)::text
             ELSE {it}::text END"
        ),
        it if DATES.contains(&it) => format!("{it}::text"),
        it => it.to_string(),
    };
    let expressions: Vec<String> = columns.iter().map(expression).collect();
    let key: Vec<String> = key.iter().map(|it| format!("{it} COLLATE \"C\"")).collect();
    let query = format!(
        "SELECT {} FROM {} ORDER BY {}",
        expressions.join(", "),
        list.name(),
        key.join(", ")
    );
    each(rows, &query, |row| {
        give(row, list, columns, reading);
        !reading.is_full(list)
    })
}

fn give(row: &postgres::Row, list: List, columns: &[&'static str], reading: &mut Reading) {
    let mut given = Row::new(list);
    for (at, column) in columns.iter().enumerate() {
        // It takes every type.
        let Column(cell) = row.try_get(at).unwrap_or_default();
        let cell = match cell {
            Cell::Text(text) if INSTANTS.contains(column) => match text.parse() {
                Ok(ms) => Cell::Integer(ms),
                Err(_) => Cell::Text(text),
            },
            cell => cell,
        };
        given.put((*column).into(), cell);
    }
    reading.row(list, given);
}

/// A value of a column of any type.
#[derive(Default)]
struct Column(Cell<'static>);

impl FromSql<'_> for Column {
    fn from_sql(of: &Type, raw: &[u8]) -> Result<Column, Box<dyn Error + Sync + Send>> {
        Ok(Column(match *of {
            Type::BOOL => Cell::Flag(bool::from_sql(of, raw)?),
            Type::INT2 => Cell::Integer(i16::from_sql(of, raw)?.into()),
            Type::INT4 => Cell::Integer(i32::from_sql(of, raw)?.into()),
            Type::INT8 => Cell::Integer(i64::from_sql(of, raw)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => {
                match std::str::from_utf8(raw) {
                    Ok(text) => Cell::Text(text.to_string().into()),
                    // Where the database knows no encoding.
                    Err(_) => Cell::Other("a text that is not in UTF-8".into()),
                }
            }
            _ => Cell::Other(format!("a value of the type {}", of.name()).into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Column, Box<dyn Error + Sync + Send>> {
        Ok(Column::default())
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Goes through what a query finds, one row after the other, until `take` wants no more: all of
/// it is never held twice.
fn each(
    rows: &mut Transaction<'_>,
    query: &str,
    mut take: impl FnMut(&postgres::Row) -> bool,
) -> Result<(), postgres::Error> {
    let none: [&str; 0] = [];
    let mut rows = rows.query_raw(query, none)?;
    while let Some(row) = rows.next()? {
        if !take(&row) {
            break;
        }
    }
    Ok(())
}
