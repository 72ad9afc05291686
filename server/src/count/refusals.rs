//! Refused messages on their way to where they are kept, at one worker.
//!
//! What cannot be taken over at once waits here, and reading waits with it; a checkpoint waits
//! until what lies before it is durable, so that nothing refused is lost with a crash.

use std::collections::VecDeque;

use dataflow::engine::Position;

use crate::source::{LogError, RefusedMessage, RefusedWriter};

/// See the module. Without a writer nothing is kept.
pub(super) struct Refusals {
    writer: Option<Box<dyn RefusedWriter>>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    partition: u32,
    offset: i64,
    reason: &'static str,
    bytes: Option<Box<[u8]>>,
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
            self.waiting.push_back(Waiting {
                partition: message.partition,
                offset: message.offset,
                reason: message.reason,
                bytes: message.bytes.map(Box::from),
            });
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
            let message = RefusedMessage {
                partition: first.partition,
                offset: first.offset,
                reason: first.reason,
                bytes: first.bytes.as_deref(),
            };
            match writer.put(message) {
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
            let from = unsafe_from.entry(waiting.partition).or_insert(i64::MAX);
            *from = (*from).min(waiting.offset);
        }
        Ok(positions.iter().all(|position| {
            unsafe_from
                .get(&position.partition)
                .is_none_or(|from| *from >= position.next_offset)
        }))
    }
}
