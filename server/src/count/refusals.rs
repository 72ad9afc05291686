//! Refused messages on their way to where they are kept, at one worker.
//!
//! What cannot be taken over at once waits here, and reading waits with it; a checkpoint waits
//! until what lies before it is durable, so that nothing refused is lost with a crash.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataflow::engine::Position;

use crate::source::{LogError, RefusedMessage, RefusedWriter, WaitingMessage};

/// See the module. Without a writer nothing is kept.
pub(super) struct Refusals {
    writer: Option<Box<dyn RefusedWriter>>,
    waiting: VecDeque<WaitingMessage>,
}

impl Refusals {
    pub(super) fn new(writer: Option<Box<dyn RefusedWriter>>) -> Refusals {
        Refusals {
            writer,
            waiting: VecDeque::new(),
        }
    }

    /// Notes a message; in offset order for each partition.
    pub(super) fn note(&mut self, message: RefusedMessage<'_>) {
        if self.writer.is_some() {
            self.waiting.push_back(message.into());
        }
    }

    /// Also keeps those of a partition that has come up.
    pub(super) fn add(&mut self, partition: u32) -> Result<(), LogError> {
        match &mut self.writer {
            Some(writer) => writer.add(partition),
            None => Ok(()),
        }
    }

    /// Hands over what waits, as far as it is taken.
    pub(super) fn hand_over(&mut self) -> Result<(), LogError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        while let Some(first) = self.waiting.front() {
            match writer.put(first.message()) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(LogError::Busy) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether something waits, so that nothing more may be read.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether everything that lies before these positions is durable.
    pub(super) fn are_safe(&mut self, positions: &[Position]) -> Result<bool, LogError> {
        let Some(writer) = &mut self.writer else {
            return Ok(true);
        };
        let mut unsafe_from = writer.unsafe_from()?;
        for waiting in &self.waiting {
            let waiting = waiting.message();
            let from = unsafe_from.entry(waiting.partition).or_insert(i64::MAX);
            *from = (*from).min(waiting.record.offset);
        }
        Ok(positions.iter().all(|position| {
            unsafe_from
                .get(&position.partition)
                .is_none_or(|from| *from >= position.next_offset)
        }))
    }
}

/// How often a reason is logged.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Logs an example of the refused messages of each reason, once a minute; for all workers.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    reasons: Mutex<BTreeMap<&'static str, Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    /// How many of the reason came since.
    unsaid: u64,
}

impl RefusalLog {
    /// Logs a message, unless one of its reason was logged within the minute.
    pub(super) fn say(&self, message: &RefusedMessage<'_>) {
        let Some(others) = self.others(message.reason, Instant::now()) else {
            return;
        };
        tracing::warn!(
            reason = message.reason,
            partition = message.partition,
            offset = message.record.offset,
            others,
            "a message is refused: {}; the next of its reason is logged in a minute",
            message.detail
        );
    }

    /// How many were not logged since the last one that was; `None` if this one is not, either.
    fn others(&self, reason: &'static str, now: Instant) -> Option<u64> {
        // Counters stay whole whatever panics beside them.
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Said { at: now, unsaid: 0 };
        let Some(said) = reasons.get_mut(reason) else {
            reasons.insert(reason, fresh);
            return Some(0);
        };
        if now < said.at + SAY_EVERY {
            said.unsaid += 1;
            return None;
        }
        Some(std::mem::replace(said, fresh).unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_a_minute() {
        let (log, start) = (RefusalLog::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(log.others("bad_field", at(0)), Some(0));
        assert_eq!(log.others("empty", at(1)), Some(0));
        assert_eq!(log.others("bad_field", at(1)), None);
        assert_eq!(log.others("bad_field", at(59)), None);
        assert_eq!(log.others("bad_field", at(60)), Some(2));
        assert_eq!(log.others("bad_field", at(119)), None);
    }
}
