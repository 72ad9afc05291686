//! The aggregate topics: every candidate's votes and every location's turnout, in Kafka, as rows
//! of two compacted topics.
//!
//! Published ticks come in; messages go out, one for each row that differs from what is written,
//! and one without a value for each row that went. A round begins at most every 100 ms and counts
//! as written once all of it is acknowledged.
//!
//! ```text
//!  publisher ──▶ aggregates.rs ──▶ rows.rs ──▶ ledger.rs ──▶ writer.rs ──▶ Kafka
//!                when, again       keys, values  what differs   acknowledged
//!                    └──▶ topics.rs: made if absent; the keys that are there
//! ```
//!
//! A failure begins anew: the keys are read again and all rows are written, as at a start. So
//! whatever was written or not, the topics agree with the results once a round is finished.
//!
//! Non-guarantees: two services that write at once undo each other's rows until one ends; a
//! topic that somebody deletes and makes again, or whose partitions are added to, while this runs
//! is whole again after the next start only; who reads while a round is being written sees some
//! rows of it.

use super::follow::{Desk, Follower, Sink, SinkError};
use crate::publish::{Publisher, Tick};
pub use error::AggregateError;
use ledger::Ledger;
pub use settings::AggregateSettings;
use writer::Writer;

mod error;
mod ledger;
mod rows;
mod settings;
mod topics;
mod writer;

#[cfg(test)]
mod tests;

/// The most keys that the topics may hold: far above the rows of any register.
const KEYS_MAX: usize = 2_000_000;

/// Starts the sink. Fails for wrong options only: a broker that is away is waited for.
pub fn start(
    settings: AggregateSettings,
    publisher: Publisher,
) -> Result<Follower, AggregateError> {
    settings.check()?;
    Follower::start(Aggregates(settings), publisher).map_err(AggregateError::Thread)
}

struct Aggregates(AggregateSettings);

/// What is written, and by whom.
struct Session {
    ledger: Ledger,
    writer: Writer,
}

impl Sink for Aggregates {
    const NAME: &'static str = "aggregates";
    type Session = Session;
    type Error = AggregateError;

    fn open(&mut self, at: &Desk) -> Result<Session, AggregateError> {
        let writer = Writer::new(&self.0)?;
        let partitions = topics::make_if_absent(&self.0, &writer, &at.runtime, &at.ending)?;
        let mut ledger = Ledger::default();
        for (topic, partitions) in partitions {
            topics::read_keys(&self.0, topic, partitions, &at.ending, &mut ledger)?;
        }
        Ok(Session { ledger, writer })
    }

    fn write(
        &mut self,
        session: &mut Session,
        tick: &Tick,
        at: &Desk,
    ) -> Result<u64, AggregateError> {
        let since = |contest: &str, from| at.publisher.since(contest, from, tick.number());
        let round = session.ledger.plan(tick.snapshot(), since);
        let stalled = |error: AggregateError| at.report(&error);
        session.writer.write(&round.messages, &at.ending, stalled)?;
        let rows = round.messages.len() as u64;
        session.ledger.settle(round);
        Ok(rows)
    }

    fn serve(&mut self, session: &mut Session) -> Result<(), AggregateError> {
        session.writer.serve();
        Ok(())
    }
}

impl SinkError for AggregateError {
    const PUBLIC: &'static str = "the aggregates cannot be written to kafka; it is tried again";

    fn ended() -> AggregateError {
        AggregateError::Ended
    }

    fn is_end(&self) -> bool {
        matches!(self, AggregateError::Ended)
    }
}
