//! The results in PostgreSQL: the rows of candidates, locations and windows as they are published.
//!
//! Published ticks come in; each round is one transaction with the rows that differ from what is
//! written, those that went, and the tick in `published`. So the tables are always those of one
//! tick, and a database that was away gets the latest of each row.
//!
//! ```text
//!  publisher ──▶ results.rs ──▶ rows.rs ──▶ ledger.rs ──▶ write.rs ──▶ PostgreSQL
//!                one round      as JSON      what differs   one transaction
//! ```
//!
//! A failure begins anew: all rows are written and all others removed, as at a start. So whatever
//! was written or not, the tables agree with the results once a round is finished.
//!
//! Of windows, the newest [`WINDOWS_MAX`](dataflow::view::WINDOWS_MAX) of each contest are rows, as `/windows` serves them.
//!
//! Non-guarantee: two services that write at once undo each other's rows.

use postgres::Client;

use super::follow::{Desk, Follower, Sink, SinkError};
use crate::postgres::{PostgresError, PostgresSettings, migrate};
use crate::publish::{Publisher, Tick};
use ledger::Ledger;

mod ledger;
mod rows;
mod write;

#[cfg(test)]
mod tests;

/// Starts the sink. A database that is away is waited for.
pub fn start(settings: PostgresSettings, publisher: Publisher) -> std::io::Result<Follower> {
    Follower::start(ResultTables(settings), publisher)
}

struct ResultTables(PostgresSettings);

/// A connection, and the rows that it has written.
struct Session {
    client: Client,
    ledger: Ledger,
}

/// Why results are not written.
#[derive(Debug, thiserror::Error)]
enum ResultsError {
    #[error("could not write the results: {0}")]
    Postgres(#[from] PostgresError),
    #[error(
        "could not bring the results in postgresql up to date before the end: the next start does it"
    )]
    Ended,
}

impl Sink for ResultTables {
    const NAME: &'static str = "results";
    type Session = Session;
    type Error = ResultsError;

    fn open(&mut self, _at: &Desk) -> Result<Session, ResultsError> {
        let mut client = self.0.connect()?;
        migrate(&mut client)?;
        Ok(Session {
            client,
            ledger: Ledger::default(),
        })
    }

    fn write(
        &mut self,
        session: &mut Session,
        tick: &Tick,
        at: &Desk,
    ) -> Result<u64, ResultsError> {
        let snapshot = tick.snapshot();
        let since = |contest: &str, from| at.publisher.since(contest, from, tick.number());
        let round = session.ledger.plan(snapshot, since);
        let rows = write::write(&mut session.client, snapshot, &round)
            .map_err(PostgresError::doing("write them"))?;
        session.ledger.settle(round);
        Ok(rows)
    }
}

impl SinkError for ResultsError {
    const PUBLIC: &'static str = "the results cannot be written to the database; it is tried again";

    fn ended() -> ResultsError {
        ResultsError::Ended
    }

    fn is_end(&self) -> bool {
        matches!(self, ResultsError::Ended)
    }
}
