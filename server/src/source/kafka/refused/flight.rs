//! Which refused messages are on their way to the broker.
//!
//! A worker adds them, the producer's thread takes them out as they are stored; a message that
//! cannot be stored is a failure that the worker finds at its next call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rdkafka::message::DeliveryResult;
use rdkafka::types::RDKafkaErrorCode;

use super::super::producer::Answered;
use super::{FLYING_BYTES_MAX, FLYING_MAX, Flying, lock};
use crate::source::LogError;

/// The messages of one worker that are on their way.
#[derive(Default)]
pub(super) struct Flights(Mutex<State>);

#[derive(Default)]
struct State {
    flying: Flying,
    count: usize,
    bytes: usize,
    alone: Alone,
    failure: Option<LogError>,
}

/// What became of the message that travels alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Alone {
    #[default]
    Flying,
    Stored,
    TooLarge,
}

impl Flights {
    pub(super) fn add(&self, partition: u32, offset: i64, bytes: usize) {
        let mut state = lock(&self.0);
        if state.flying.entry(partition).or_default().insert(offset) {
            state.count += 1;
            state.bytes += bytes;
        }
    }

    pub(super) fn remove(&self, partition: u32, offset: i64, bytes: usize) {
        let mut state = lock(&self.0);
        let Some(offsets) = state.flying.get_mut(&partition) else {
            return;
        };
        let was_there = offsets.remove(&offset);
        if offsets.is_empty() {
            state.flying.remove(&partition);
        }
        if was_there {
            state.count -= 1;
            state.bytes = state.bytes.saturating_sub(bytes);
        }
    }

    /// Whether one more may go.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let state = lock(&self.0);
        // One that is larger than all the room goes when there is no other.
        state.count == 0 || (state.count < FLYING_MAX && state.bytes + bytes <= FLYING_BYTES_MAX)
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.0).count
    }

    /// By partition, the first offset that is not stored.
    pub(super) fn firsts(&self) -> BTreeMap<u32, i64> {
        let state = lock(&self.0);
        let firsts = state.flying.iter();
        firsts
            .filter_map(|(&partition, offsets)| Some((partition, *offsets.first()?)))
            .collect()
    }

    pub(super) fn failure(&self) -> Option<LogError> {
        lock(&self.0).failure.clone()
    }

    /// Before a message that travels alone is sent.
    pub(super) fn begin_alone(&self) {
        lock(&self.0).alone = Alone::Flying;
    }

    pub(super) fn alone(&self) -> Alone {
        lock(&self.0).alone
    }

    /// The client itself finds it too large.
    pub(super) fn find_alone_too_large(&self) {
        lock(&self.0).alone = Alone::TooLarge;
    }
}

/// What comes back with a message's outcome.
pub(super) struct Parcel {
    pub(super) flights: Arc<Flights>,
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: i64,
    pub(super) bytes: usize,
    pub(super) alone: bool,
}

impl Answered for Box<Parcel> {
    fn answer(self, result: &DeliveryResult<'_>) {
        let flights = &self.flights;
        let Err((error, _)) = result else {
            if self.alone {
                lock(&flights.0).alone = Alone::Stored;
            }
            return flights.remove(self.partition, self.offset, self.bytes);
        };
        let code = error.rdkafka_error_code();
        let mut state = lock(&flights.0);
        if self.alone && code == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            state.alone = Alone::TooLarge;
        } else if state.failure.is_none() {
            state.failure = Some(LogError::KafkaNotKept {
                topic: self.topic.clone(),
                partition: self.partition,
                offset: self.offset,
                why: code.map_or_else(|| error.to_string(), |code| code.to_string()),
            });
        }
    }
}
