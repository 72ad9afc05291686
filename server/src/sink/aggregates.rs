//! The aggregate topics: every candidate's votes and every location's turnout, in Kafka, as rows
//! of two compacted topics.
//!
//! Published ticks come in; messages go out, one for each row that differs from what is written,
//! and one without a value for each row that went. A round begins at most every 100 ms and counts
//! as written once all of it is acknowledged. The publishing knows nothing of this thread.
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

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::status::Account;
#[cfg(test)]
use super::status::SinkStatus;
use crate::publish::{Publisher, Tick};
use ending::{Ending, EndingSender};
pub use error::AggregateError;
use ledger::Ledger;
pub use settings::AggregateSettings;
use writer::Writer;

mod ending;
mod error;
mod ledger;
mod rows;
mod settings;
mod topics;
mod writer;

#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;

/// The name of the sink in `/status` and in metrics.
const NAME: &str = "aggregates";

/// The most keys that the topics may hold: far above the rows of any register.
const KEYS_MAX: usize = 2_000_000;

/// The shortest time from the beginning of one round to that of the next.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// With nothing to write, so often the client's events are looked at.
const IDLE: Duration = Duration::from_secs(1);

/// So often it is seen whether the first results are published.
const READY_WAIT: Duration = Duration::from_millis(100);

/// How long the end waits for the last round.
const END_MAX: Duration = Duration::from_secs(2);

/// How long the first pause after a failure is; each is twice the one before.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// How long a pause is at most.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// The sink, at work. Dropping it ends it without a last round.
pub struct Aggregates {
    account: Account,
    ending: EndingSender,
    thread: Option<JoinHandle<()>>,
}

/// The sink's thread.
struct Work {
    settings: AggregateSettings,
    publisher: Publisher,
    ticks: watch::Receiver<u64>,
    account: Account,
    ending: Ending,
    runtime: Runtime,
    pause: Duration,
}

impl Aggregates {
    /// Starts the sink. Fails for wrong options only: a broker that is away is waited for.
    pub fn start(
        settings: AggregateSettings,
        publisher: Publisher,
    ) -> Result<Aggregates, AggregateError> {
        settings.check()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(AggregateError::Thread)?;
        let account = Account::new(NAME, publisher.clone());
        let (sender, ending) = ending::ending();
        let work = Work {
            settings,
            ticks: publisher.ticks(),
            publisher,
            account: account.clone(),
            ending,
            runtime,
            pause: BACKOFF_MIN,
        };
        let thread = std::thread::Builder::new()
            .name(NAME.to_string())
            .spawn(move || work.run())
            .map_err(AggregateError::Thread)?;
        Ok(Aggregates {
            account,
            ending: sender,
            thread: Some(thread),
        })
    }

    /// The sink's state, for `/status`; it may outlive the sink.
    pub fn account(&self) -> Account {
        self.account.clone()
    }

    /// How the sink is now.
    #[cfg(test)]
    pub fn status(&self) -> SinkStatus {
        self.account.status()
    }

    /// Writes what is published by now, within two seconds or so, and ends. Call it once nothing
    /// is published any more.
    pub fn end(mut self) {
        self.join(END_MAX);
    }

    fn join(&mut self, lasts: Duration) {
        self.ending.begin(lasts);
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by its hook, and shows as a failure.
            let _ = thread.join();
        }
    }
}

impl Drop for Aggregates {
    fn drop(&mut self) {
        self.join(Duration::ZERO);
    }
}

impl Work {
    fn run(mut self) {
        let _guard = Guard(self.account.clone());
        while !self.ending.has_begun() {
            match self.session() {
                Ok(()) => return,
                Err(AggregateError::Ended) => break,
                Err(error) => self.rest_after(&error),
            }
        }
        if self.publisher.is_ready() {
            tracing::warn!("{}", AggregateError::Ended);
        }
    }

    /// From the connection to the end of the service, or to a failure.
    fn session(&mut self) -> Result<(), AggregateError> {
        self.wait_for_results();
        let writer = Writer::new(&self.settings)?;
        let partitions =
            topics::make_if_absent(&self.settings, &writer, &self.runtime, &self.ending)?;
        let mut ledger = Ledger::default();
        for (topic, partitions) in partitions {
            topics::read_keys(&self.settings, topic, partitions, &self.ending, &mut ledger)?;
        }
        loop {
            let started = Instant::now();
            // Seen before the tick is: the last round has all that was published by the end.
            let is_last = self.ending.has_begun();
            self.round(&mut ledger, &writer)?;
            if is_last {
                return Ok(());
            }
            self.wait_for_tick(started + ROUND_INTERVAL, ledger.tick(), &writer);
        }
    }

    fn round(&mut self, ledger: &mut Ledger, writer: &Writer) -> Result<(), AggregateError> {
        let Some(tick) = self.newest(ledger.tick()) else {
            return Ok(());
        };
        let number = tick.number();
        let since = |contest: &str, from| self.publisher.since(contest, from, number);
        let round = ledger.plan(tick.snapshot(), since);
        let stalled = |error: AggregateError| self.report(&error);
        writer.write(&round.messages, &self.ending, stalled)?;
        let rows = round.messages.len() as u64;
        ledger.settle(round);
        self.account.finish_round(number, rows);
        self.pause = BACKOFF_MIN;
        Ok(())
    }

    /// The published tick, unless it is the one that is written.
    fn newest(&self, written: Option<u64>) -> Option<Arc<Tick>> {
        let tick = self.publisher.current();
        tick.filter(|tick| Some(tick.number()) != written)
    }

    fn wait_for_results(&mut self) {
        while !self.publisher.is_ready() && !self.ending.has_begun() {
            let begun = self.ending.begun();
            self.runtime.block_on(async {
                // Which of the two it was is seen above.
                let _ = tokio::time::timeout(READY_WAIT, begun).await;
            });
        }
    }

    /// Waits for a tick that is not written, and until the next round may begin.
    fn wait_for_tick(&mut self, not_before: Instant, written: Option<u64>, writer: &Writer) {
        while !self.ending.has_begun() {
            let is_due = self.newest(written).is_some();
            let now = Instant::now();
            if is_due && now >= not_before {
                return;
            }
            writer.serve();
            let wait = if is_due {
                not_before.saturating_duration_since(now)
            } else {
                IDLE
            };
            let (ticks, ending) = (&mut self.ticks, &mut self.ending);
            self.runtime.block_on(async {
                tokio::select! {
                    // The sender lives as long as the publisher that this thread holds.
                    _ = ticks.changed(), if !is_due => {}
                    () = ending.begun() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            });
        }
    }

    fn rest_after(&mut self, error: &AggregateError) {
        self.report(error);
        let (pause, begun) = (self.pause, self.ending.begun());
        self.runtime.block_on(async {
            // Whether the end has begun is seen by the caller.
            let _ = tokio::time::timeout(pause, begun).await;
        });
        self.pause = (self.pause * 2).min(BACKOFF_MAX);
    }

    /// Shows a failure; the log gets one that lasts only once.
    fn report(&self, error: &AggregateError) {
        let text = error.chain();
        if self.account.fail(text.clone()) {
            tracing::warn!("{text}; trying again");
        }
    }
}

/// Shows a panic of the sink's thread, which nobody mends, as a failure.
struct Guard(Account);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "the sink has stopped, this is a bug: restart the service";
            self.0.fail(text.to_string());
        }
    }
}
