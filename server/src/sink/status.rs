//! How a sink is: written by its thread, read by `/status` and by the metrics.
//!
//! Never decides anything: what to retry and when is the sink's own matter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use serde::Serialize;
use utoipa::ToSchema;

use crate::publish::Publisher;
use crate::told::{self, Told};

/// How a sink is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkState {
    /// Its last round is written.
    Ok,
    /// It has not finished a round yet, and nothing is wrong.
    Waiting,
    /// Its last try has failed; it tries again.
    Failing,
}

/// An entry of `sinks` in `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SinkStatus {
    /// What it writes to.
    pub name: &'static str,
    /// How it is.
    pub state: SinkState,
    /// Rows written since the start, removals among them.
    pub rows_written: u64,
    /// The tick that all it has written agrees with; null before the first round.
    pub tick: Option<u64>,
    /// How far that is behind what is published, in milliseconds; null before the first round.
    pub lag_ms: Option<u64>,
    /// Why the last try failed; null once a later one did not.
    #[serde(serialize_with = "told::public")]
    #[schema(value_type = Option<String>)]
    pub last_error: Option<Told>,
}

/// A sink's state; clones share it.
#[derive(Clone)]
pub struct Account {
    name: &'static str,
    publisher: Publisher,
    entries: Arc<Mutex<Entries>>,
    rows_written: Counter,
    failures: Counter,
    tick: Gauge,
    is_failing: Gauge,
}

#[derive(Default)]
struct Entries {
    rows_written: u64,
    tick: Option<u64>,
    last_error: Option<Told>,
}

impl Account {
    pub(super) fn new(name: &'static str, publisher: Publisher) -> Account {
        describe();
        Account {
            name,
            publisher,
            entries: Arc::default(),
            rows_written: counter!("tallyflow_sink_rows_written_total", "sink" => name),
            failures: counter!("tallyflow_sink_failures_total", "sink" => name),
            tick: gauge!("tallyflow_sink_tick", "sink" => name),
            is_failing: gauge!("tallyflow_sink_failing", "sink" => name),
        }
    }

    /// How the sink is now.
    pub fn status(&self) -> SinkStatus {
        let entries = self.entries();
        let published = self.publisher.current().map(|tick| tick.number());
        let state = match (&entries.last_error, entries.tick) {
            (Some(_), _) => SinkState::Failing,
            (None, Some(_)) => SinkState::Ok,
            (None, None) => SinkState::Waiting,
        };
        let lag_ms = |tick: u64| Some(published?.saturating_sub(tick));
        SinkStatus {
            name: self.name,
            state,
            rows_written: entries.rows_written,
            tick: entries.tick,
            lag_ms: entries.tick.and_then(lag_ms),
            last_error: entries.last_error.clone(),
        }
    }

    /// All rows up to and with a tick are written, so many of them in this round.
    pub(super) fn finish_round(&self, tick: u64, rows: u64) {
        self.add_rows(rows);
        let mut entries = self.entries();
        entries.tick = Some(tick);
        entries.last_error = None;
        self.tick.set(tick as f64);
        self.is_failing.set(0.0);
    }

    /// Rows of a round that is not finished yet have been written.
    pub(super) fn add_rows(&self, rows: u64) {
        self.entries().rows_written += rows;
        self.rows_written.increment(rows);
    }

    /// A try has failed. True: the one before it had not, or for another reason.
    pub(super) fn fail(&self, error: Told) -> bool {
        self.failures.increment(1);
        self.is_failing.set(1.0);
        let mut entries = self.entries();
        let is_new = entries.last_error.as_ref() != Some(&error);
        entries.last_error = Some(error);
        is_new
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Each field is whole by itself, whoever panicked while holding them.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe() {
    describe_counter!(
        "tallyflow_sink_rows_written_total",
        "rows written by a sink"
    );
    describe_counter!(
        "tallyflow_sink_failures_total",
        "tries of a sink that failed"
    );
    describe_gauge!(
        "tallyflow_sink_tick",
        "the tick that a sink has written all of"
    );
    describe_gauge!(
        "tallyflow_sink_failing",
        "1 while a sink's last try has failed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stands_until_a_round_is_finished() {
        let account = Account::new("test", Publisher::default());
        assert_eq!(account.status().state, SinkState::Waiting);
        let told = || Told::new("it is away", "no broker at k:9092");
        assert!(account.fail(told()));
        assert!(!account.fail(told()));
        let status = account.status();
        assert_eq!((status.state, status.tick), (SinkState::Failing, None));
        let shown = serde_json::to_value(&status).expect("it is plain data");
        assert_eq!(shown["last_error"], "it is away");
        assert_eq!(status.last_error, Some(told()));
        account.finish_round(40, 3);
        account.finish_round(50, 2);
        let status = account.status();
        assert_eq!((status.state, status.rows_written), (SinkState::Ok, 5));
        assert_eq!((status.tick, status.last_error), (Some(50), None));
    }
}
