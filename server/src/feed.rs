//! Looks at what comes in and goes out as a whole: warns where much of it is not counted, and says
//! since when results stand still though there is something to count.
//!
//! Looks once a second; says nothing of single messages, which the log names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataflow::answer::Totals;

use crate::http::{OperatingFacts, StatusSource, lag};
use crate::publish::Publisher;
use crate::source::wall_ms;
use crate::told::Told;
use crate::warnings::Warnings;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From so many messages on a share means something.
const MESSAGES_MIN: u64 = 10;

/// The part of all that is too much, as one in so many.
const ONE_IN: u64 = 10;

/// How long messages may wait while no tick is published.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Results that stand still though there is, or may be, something to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// Why.
    pub reason: Told,
}

/// A handle on the stall, if there is one; clones share it.
#[derive(Clone, Debug, Default)]
pub struct StallState(Arc<Mutex<Option<Stall>>>);

impl StallState {
    /// The stall now.
    pub fn get(&self) -> Option<Stall> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Goes on to stand still for a reason, since the moment at which it began; or publishes again.
    fn set(&self, reason: Option<Told>) {
        let mut stall = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since_ms = stall.as_ref().map_or_else(wall_ms, |stall| stall.since_ms);
        *stall = reason.map(|reason| Stall { since_ms, reason });
    }
}

/// Looks until the task is ended.
pub async fn watch(
    publisher: Publisher,
    source: Arc<dyn StatusSource>,
    topic: String,
    (stall, warnings): (StallState, Warnings),
) {
    let mut seen = None;
    let mut waits = Waits::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let tick = publisher.latest();
        let number = tick.as_ref().map(|tick| tick.number());
        if let Some(tick) = tick.filter(|_| number != seen) {
            let totals = tick.snapshot().totals();
            tell(&warnings, "many_refused", refused(&totals, &topic));
            tell(&warnings, "many_set_aside", set_aside(&totals));
        }
        let operations = source.operations();
        let late = waits.look(number != seen, lag(&*source, &publisher), Instant::now());
        stall.set(reason(&operations, late).filter(|_| publisher.is_ready()));
        seen = number;
    }
}

fn reason(operations: &OperatingFacts, late: bool) -> Option<Told> {
    let tick_error = operations
        .checkpoint
        .as_ref()
        .and_then(|it| it.tick_error.clone());
    let error = tick_error.or_else(|| operations.log.error.clone());
    let late = late.then(|| Told::same("messages wait in the log and none is counted"));
    error.or(late)
}

/// For how long messages wait while no tick is published.
#[derive(Debug, Default)]
struct Waits(Option<Instant>);

impl Waits {
    /// Whether they wait for too long.
    fn look(&mut self, has_ticked: bool, lag: i64, now: Instant) -> bool {
        if has_ticked || lag == 0 {
            self.0 = None;
            return false;
        }
        now >= *self.0.get_or_insert(now) + WAIT_MAX
    }
}

fn tell(warnings: &Warnings, code: &'static str, message: Option<String>) {
    match message {
        Some(message) => warnings.raise(code, message),
        None => warnings.clear(code),
    }
}

fn refused(totals: &Totals, topic: &str) -> Option<String> {
    let refused: u64 = totals.refused.values().sum();
    is_much(refused, totals.messages).then(|| {
        format!(
            "more than a tenth of all messages is refused, most of them as {}: the log names \
             examples with what is wrong, and so does the header `detail` in the topic \
             {topic}.refused of kafka",
            most(&totals.refused)
        )
    })
}

fn set_aside(totals: &Totals) -> Option<String> {
    is_much(totals.counts.set_aside, totals.received).then(|| {
        format!(
            "more than a tenth of all votes is set aside, most of them as {}: compare the \
             register with what the votes say; /api/v1/operations has the most frequent unknown \
             codes",
            most(&totals.set_aside_by)
        )
    })
}

fn is_much(part: u64, all: u64) -> bool {
    all >= MESSAGES_MIN && part.saturating_mul(ONE_IN) > all
}

/// The most frequent reason; of equal ones the first.
fn most(by: &BTreeMap<String, u64>) -> &str {
    let most = by.iter().rev().max_by_key(|(_, count)| **count);
    most.map_or("", |(reason, _)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_too_long_if_no_tick_comes_for_a_while() {
        let (mut waits, start) = (Waits::default(), Instant::now());
        let mut look = |has_ticked, lag, seconds| {
            waits.look(has_ticked, lag, start + Duration::from_secs(seconds))
        };
        assert!(!look(false, 0, 0) && !look(false, 3, 100) && !look(false, 3, 104));
        assert!(look(false, 3, 105));
        assert!(!look(true, 3, 106) && !look(false, 3, 107));
        assert!(look(false, 3, 112));
        assert!(!look(false, 0, 113));
    }

    #[test]
    fn a_stall_is_since_its_beginning() {
        let state = StallState::default();
        state.set(Some(Told::same("one reason")));
        let first = state.get().expect("a stall");
        state.set(Some(Told::same("another")));
        let then = state.get().expect("a stall");
        assert_eq!(
            (then.since_ms, &*then.reason.public),
            (first.since_ms, "another")
        );
        state.set(None);
        assert_eq!(state.get(), None);
    }

    #[test]
    fn a_tenth_is_not_much_and_more_is() {
        for (part, all, much) in [
            (1, 10, false),
            (2, 10, true),
            (9, 9, false),
            (0, 100, false),
        ] {
            assert_eq!(is_much(part, all), much, "{part} of {all}");
        }
    }

    #[test]
    fn the_most_frequent_reason_is_named() {
        let by = [("bad_field", 3), ("empty", 5), ("too_large", 5)];
        let by = by.map(|(reason, count)| (reason.to_string(), count));
        assert_eq!(most(&by.into()), "empty");
    }
}
