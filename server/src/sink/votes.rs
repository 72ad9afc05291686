//! The votes in PostgreSQL: a row for every valid event of the log, copies too, exactly once.
//!
//! Reads the log by itself, never in the way of the counting, and up to each published tick. Rows
//! and the offsets up to which there are rows are written in one transaction, so whatever fails,
//! the next try begins where the rows end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use postgres::{Client, GenericClient};

use super::follow::{Desk, Follower, Sink, SinkError};
use dataflow::wire::Format;

use crate::background;
use crate::postgres::{PostgresError, PostgresSettings, migrate};
use crate::publish::{Publisher, Tick};
use crate::source::{Extent, Found, Log, LogError, Reader};
use rows::Row;

mod rows;

/// Rows of one transaction: enough that its cost is theirs, and few enough to hold.
const ROWS_AT_A_TIME: usize = 20_000;

/// Records that are read at a time.
const RECORDS_READ: usize = 4_096;

/// How long a log is left alone that has not given yet what was counted.
const READ_AGAIN: Duration = Duration::from_millis(5);

/// Starts the sink. A database that is away is waited for.
pub fn start(
    settings: PostgresSettings,
    log: Arc<dyn Log>,
    format: Arc<Format>,
    publisher: Publisher,
) -> std::io::Result<Follower> {
    let table = VotesTable {
        settings,
        log,
        format,
    };
    Follower::start(table, publisher)
}

struct VotesTable {
    settings: PostgresSettings,
    log: Arc<dyn Log>,
    format: Arc<Format>,
}

/// A connection, a reader, and where both are.
struct Session {
    client: Client,
    reader: Box<dyn Reader>,
    /// The first offset of each partition that has no row yet.
    next: BTreeMap<u32, i64>,
}

/// Why votes are not written.
#[derive(Debug, thiserror::Error)]
enum VotesError {
    #[error("could not write the votes: {0}")]
    Postgres(#[from] PostgresError),
    #[error("could not read the votes to write: {0}")]
    Log(#[from] LogError),
    #[error(
        "the table votes holds votes of another topic '{topic}', whose id was {kept} and not \
         {found}: delete them from votes and votes_offsets, or use a database of its own"
    )]
    OtherTopic {
        topic: String,
        kept: String,
        found: String,
    },
    #[error(
        "partition {partition} of '{topic}' begins at offset {first} now, and the table votes has \
         it up to {next}: what is between is lost to the table. To go on without, set next_offset \
         of that partition in votes_offsets to {first}"
    )]
    Gone {
        topic: String,
        partition: u32,
        first: i64,
        next: i64,
    },
    #[error(
        "the table votes has partition {partition} of '{topic}' up to offset {next}, and the topic \
         ends at {end}: it is not the log that was read; look for the right one, or use a database \
         of its own"
    )]
    Ahead {
        topic: String,
        partition: u32,
        next: i64,
        end: i64,
    },
    #[error("somebody else writes to the table votes: let one service do it")]
    OtherWriter,
    #[error("could not write all votes before the end: the next start does it")]
    Ended,
}

impl Sink for VotesTable {
    const NAME: &'static str = "votes";
    type Session = Session;
    type Error = VotesError;

    fn begin(&mut self) {
        background::let_others_go_first();
    }

    fn open(&mut self, _at: &Desk) -> Result<Session, VotesError> {
        let mut client = self.settings.connect()?;
        migrate(&mut client)?;
        let (topic, topic_id) = (self.log.topic(), self.log.topic_id()?);
        let extents = self.log.extents()?;
        let failed = PostgresError::doing("say where they end");
        let mut transaction = client.transaction().map_err(&failed)?;
        let mut next = BTreeMap::new();
        for extent in &extents {
            let offset = position(&mut transaction, topic, &topic_id, extent)?;
            next.insert(extent.partition, offset);
        }
        transaction.commit().map_err(&failed)?;
        let from: Vec<(u32, i64)> = next
            .iter()
            .map(|(partition, at)| (*partition, *at))
            .collect();
        // It is asked at every tick; nobody needs to wake it.
        let reader = self.log.reader(&from, Box::new(|| {}))?;
        Ok(Session {
            client,
            reader,
            next,
        })
    }

    fn write(&mut self, session: &mut Session, tick: &Tick, at: &Desk) -> Result<u64, VotesError> {
        let register = &tick.snapshot().directory().register;
        let contest = register.default_contest();
        loop {
            for (partition, offset) in tick.snapshot().first_offsets() {
                if !session.next.contains_key(&partition) {
                    self.add(session, partition, offset)?;
                }
            }
            let mut counted = tick.snapshot().next_offsets();
            if counted.all(|(partition, offset)| session.next.get(&partition) >= Some(&offset)) {
                return Ok(0);
            }
            if at.ending.is_over() {
                return Err(VotesError::Ended);
            }
            let (rows, next) = read(session, &self.format, contest)?;
            if next == session.next {
                thread::sleep(READ_AGAIN);
                continue;
            }
            self.commit(&mut session.client, &rows, &session.next, &next)?;
            session.next = next;
            at.progress(rows.len() as u64);
        }
    }
}

impl VotesTable {
    /// Reads a partition that has come up since the start, too.
    fn add(
        &self,
        session: &mut Session,
        partition: u32,
        first_offset: i64,
    ) -> Result<(), VotesError> {
        let extent = Extent {
            partition,
            first_offset,
            next_offset: i64::MAX,
        };
        let topic_id = self.log.topic_id()?;
        let offset = position(&mut session.client, self.log.topic(), &topic_id, &extent)?;
        session.reader.add(partition, offset)?;
        session.next.insert(partition, offset);
        Ok(())
    }

    fn commit(
        &self,
        client: &mut Client,
        rows: &[Row],
        before: &BTreeMap<u32, i64>,
        after: &BTreeMap<u32, i64>,
    ) -> Result<(), VotesError> {
        let failed = PostgresError::doing("store them");
        let mut transaction = client.transaction().map_err(&failed)?;
        // The offsets first: whoever writes besides waits here, and then finds others.
        for (partition, next) in after
            .iter()
            .filter(|(at, next)| before.get(at) != Some(next))
        {
            let old = before.get(partition).copied().unwrap_or_default();
            let moved = transaction
                .execute(
                    "UPDATE votes_offsets SET next_offset = $1
                     WHERE topic = $2 AND partition = $3 AND next_offset = $4",
                    &[next, &self.log.topic(), &(*partition as i32), &old],
                )
                .map_err(&failed)?;
            if moved != 1 {
                return Err(VotesError::OtherWriter);
            }
        }
        rows::copy(&mut transaction, self.log.topic(), rows).map_err(&failed)?;
        transaction.commit().map_err(failed)?;
        Ok(())
    }
}

/// Reads what is there, up to a transaction's worth; gives its rows, and where it ends.
fn read(
    session: &mut Session,
    format: &Format,
    default_contest: Option<&str>,
) -> Result<(Vec<Row>, BTreeMap<u32, i64>), VotesError> {
    let mut rows = Vec::new();
    let mut next = session.next.clone();
    while rows.len() < ROWS_AT_A_TIME {
        let records = session.reader.poll(RECORDS_READ, &mut |partition, found| {
            let offset = match found {
                Found::Record(record) => {
                    rows.extend(Row::of(format, partition, &record, default_contest));
                    record.offset + 1
                }
                Found::End { next_offset } => next_offset,
            };
            let next = next.entry(partition).or_insert(offset);
            *next = offset.max(*next);
        })?;
        if records == 0 {
            break;
        }
    }
    Ok((rows, next))
}

/// From where on a partition has no rows: noted in the database, by now at least.
fn position(
    client: &mut impl GenericClient,
    topic: &str,
    topic_id: &str,
    extent: &Extent,
) -> Result<i64, VotesError> {
    let failed = PostgresError::doing("say where they end");
    let partition = extent.partition as i32;
    client
        .execute(
            "INSERT INTO votes_offsets (topic, partition, topic_id, next_offset)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &[&topic, &partition, &topic_id, &extent.first_offset],
        )
        .map_err(&failed)?;
    let row = client
        .query_one(
            "SELECT topic_id, next_offset FROM votes_offsets WHERE topic = $1 AND partition = $2",
            &[&topic, &partition],
        )
        .map_err(&failed)?;
    let (kept, next): (String, i64) = (row.get(0), row.get(1));
    let topic = topic.to_string();
    if kept != topic_id {
        let found = topic_id.to_string();
        return Err(VotesError::OtherTopic { topic, kept, found });
    }
    let (partition, first, end) = (extent.partition, extent.first_offset, extent.next_offset);
    if next < first {
        return Err(VotesError::Gone {
            topic,
            partition,
            first,
            next,
        });
    }
    if next > end {
        return Err(VotesError::Ahead {
            topic,
            partition,
            next,
            end,
        });
    }
    Ok(next)
}

impl SinkError for VotesError {
    const PUBLIC: &'static str = "the votes cannot be written to the database; it is tried again";

    fn ended() -> VotesError {
        VotesError::Ended
    }

    fn is_end(&self) -> bool {
        matches!(self, VotesError::Ended)
    }
}
