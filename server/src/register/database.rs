//! The register from PostgreSQL: a transaction's rows in, one whole register out.
//!
//! Triggers tell of every change; the rows are read anew now and then besides, whatever was told,
//! and after every connection that was lost. The roll may be long and is read only when it, or
//! what elections have one, may have changed. Names and addresses of voters are not read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dataflow::register::{
    Candidate, Contest, Election, Instant as At, Location, Register, Voter, Voters,
};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, IsolationLevel, Row, Transaction};

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

/// The channel of the triggers.
const LISTEN: &str = "LISTEN tallyflow_register";

/// The tables that the roll depends on, as the triggers name them.
const OF_ROLL: [&str; 2] = ["elections", "voters"];

/// See the module.
pub struct RegisterDatabase {
    settings: PostgresSettings,
    client: Option<Client>,
    roll_read_at: Option<Instant>,
}

impl RegisterDatabase {
    /// A database that is not asked yet.
    pub fn new(settings: PostgresSettings) -> RegisterDatabase {
        RegisterDatabase {
            settings,
            client: None,
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

    fn read_rows(&mut self, in_force: &Register) -> Result<Option<Register>, PostgresError> {
        let roll_is_due = |at: Instant| at.elapsed() >= ROLL_EVERY;
        let failed = PostgresError::doing("read the register");
        self.client()?;
        let with_roll = self.roll_read_at.is_none_or(roll_is_due);
        let client = self.client()?;
        let mut rows = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .map_err(&failed)?;
        let mut register = lists(&mut rows).map_err(&failed)?;
        if with_roll {
            register.voters = roll(&mut rows).map_err(&failed)?.into();
        } else if is_same_but_voters(&register, in_force) {
            return Ok(None);
        } else {
            register.voters = in_force.voters.clone();
        }
        rows.commit().map_err(&failed)?;
        if with_roll {
            self.roll_read_at = Some(Instant::now());
        }
        Ok(Some(register))
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

    fn is_waited_for(&self) -> bool {
        true
    }

    fn read(&mut self, in_force: &Register) -> Result<Option<Register>, RegisterError> {
        let read = self.read_rows(in_force);
        if read.is_err() {
            // Whatever it was, a new connection knows nothing of it.
            self.client = None;
        }
        Ok(read?)
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

/// All lists but the voters, in the order of their keys.
pub(super) fn lists(rows: &mut Transaction<'_>) -> Result<Register, postgres::Error> {
    Ok(Register {
        elections: all(
            rows,
            "SELECT election_id, name, to_char(date, 'YYYY-MM-DD'), test, roll, geojson_url
             FROM elections ORDER BY election_id COLLATE \"C\"",
            |row| {
                Ok(Election {
                    election_id: row.try_get(0)?,
                    name: row.try_get(1)?,
                    date: row.try_get(2)?,
                    test: row.try_get(3)?,
                    roll: row.try_get(4)?,
                    geojson_url: row.try_get(5)?,
                })
            },
        )?,
        contests: all(
            rows,
            "SELECT contest_id, election_id, name, is_default, kind, revote, window_ms, slide_ms,
                 floor(extract(epoch FROM opens_at) * 1000)::bigint,
                 floor(extract(epoch FROM closes_at) * 1000)::bigint
             FROM contests ORDER BY contest_id COLLATE \"C\"",
            |row| {
                Ok(Contest {
                    contest_id: row.try_get(0)?,
                    election_id: row.try_get(1)?,
                    name: row.try_get(2)?,
                    is_default: row.try_get(3)?,
                    kind: row.try_get(4)?,
                    revote: row.try_get(5)?,
                    window_ms: row.try_get(6)?,
                    slide_ms: row.try_get(7)?,
                    opens_at: row.try_get::<_, Option<i64>>(8)?.map(At),
                    closes_at: row.try_get::<_, Option<i64>>(9)?.map(At),
                })
            },
        )?,
        candidates: all(
            rows,
            "SELECT contest_id, candidate_id, candidate_name, party, biography, campaign_promises,
                 photo_url, color, position,
                 floor(extract(epoch FROM withdrawn_at) * 1000)::bigint
             FROM candidates ORDER BY contest_id COLLATE \"C\", candidate_id COLLATE \"C\"",
            |row| {
                Ok(Candidate {
                    contest_id: row.try_get(0)?,
                    candidate_id: row.try_get(1)?,
                    candidate_name: row.try_get(2)?,
                    party: row.try_get(3)?,
                    biography: row.try_get(4)?,
                    campaign_promises: row.try_get(5)?,
                    photo_url: row.try_get(6)?,
                    color: row.try_get(7)?,
                    position: row.try_get(8)?,
                    withdrawn_at: row.try_get::<_, Option<i64>>(9)?.map(At),
                })
            },
        )?,
        locations: all(
            rows,
            "SELECT election_id, location, name, parent, registered
             FROM locations ORDER BY election_id COLLATE \"C\", location COLLATE \"C\"",
            |row| {
                Ok(Location {
                    election_id: row.try_get(0)?,
                    location: row.try_get(1)?,
                    name: row.try_get(2)?,
                    parent: row.try_get(3)?,
                    // The table takes none below zero.
                    registered: row.try_get::<_, Option<i64>>(4)?.map(|it| it.max(0) as u64),
                })
            },
        )?,
        voters: Voters::default(),
    })
}

/// The ids of those who are on a roll.
fn roll(rows: &mut Transaction<'_>) -> Result<Vec<Voter>, postgres::Error> {
    let voters = "SELECT voter_id, election_id FROM voters JOIN elections USING (election_id)
                  WHERE roll ORDER BY election_id COLLATE \"C\", voter_id COLLATE \"C\"";
    all(rows, voters, |row| {
        Ok(Voter {
            voter_id: row.try_get(0)?,
            election_id: row.try_get(1)?,
            ..Voter::default()
        })
    })
}

/// The voters with all that is known of them.
pub(super) fn voters(rows: &mut Transaction<'_>) -> Result<Vec<Voter>, postgres::Error> {
    let voters = "SELECT voter_id, election_id, name, email,
                      to_char(registration_date, 'YYYY-MM-DD'), location
                  FROM voters ORDER BY election_id COLLATE \"C\", voter_id COLLATE \"C\"";
    all(rows, voters, |row| {
        Ok(Voter {
            voter_id: row.try_get(0)?,
            election_id: row.try_get(1)?,
            name: row.try_get(2)?,
            email: row.try_get(3)?,
            registration_date: row.try_get(4)?,
            location: row.try_get(5)?,
        })
    })
}

/// What a query finds, one row after the other: all of it is never held twice.
fn all<T>(
    rows: &mut Transaction<'_>,
    query: &str,
    each: impl Fn(&Row) -> Result<T, postgres::Error>,
) -> Result<Vec<T>, postgres::Error> {
    let none: [&str; 0] = [];
    let mut found = Vec::new();
    let mut rows = rows.query_raw(query, none)?;
    while let Some(row) = rows.next()? {
        found.push(each(&row)?);
    }
    Ok(found)
}
