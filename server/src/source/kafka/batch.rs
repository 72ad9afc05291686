//! Takes messages from a consumer's queue by the batch, which costs half of taking them singly.
//!
//! Messages of librdkafka come in; records and what else the queue says go out, borrowed for the
//! length of a call. The binding offers no batches, so these few lines are unsafe. Each message is
//! given back to librdkafka exactly once, also when the callback stops early or panics.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaMessage, RDKafkaQueue, RDKafkaRespErr};
use rdkafka_sys as native;

use super::super::Record;

/// The most messages of one call into librdkafka: enough that the call costs nothing, and few
/// enough that what waits for the callback stays in the cache.
const BATCH_RECORDS_MAX: usize = 4096;

/// What a queue holds.
pub(super) enum Taken<'a> {
    /// A record of a partition.
    Record(u32, Record<'a>),
    /// The end of a partition, for now, and the offset there.
    End(u32, i64),
    /// Something else that the client says.
    Trouble(Trouble),
}

/// What the client says about a partition, or about itself.
pub(super) struct Trouble {
    /// The partition; none of the topic's if it is about the client.
    pub(super) partition: i32,
    /// Where reading had come to.
    pub(super) offset: i64,
    /// The kind.
    pub(super) code: RDKafkaErrorCode,
    /// The same in words.
    pub(super) words: String,
}

/// A consumer and its queue.
pub(super) struct Batches<C: ConsumerContext + 'static> {
    queue: NonNull<RDKafkaQueue>,
    slots: Vec<*mut RDKafkaMessage>,
    consumer: BaseConsumer<C>,
}

impl<C: ConsumerContext + 'static> Batches<C> {
    /// Takes over a consumer; `None` if it has no queue, as it is without a `group.id`.
    pub(super) fn new(consumer: BaseConsumer<C>) -> Option<Batches<C>> {
        // SAFETY: the client lives as long as `consumer`, and the queue is our own reference to
        // it, given back in `drop` before the consumer is.
        let queue = unsafe { native::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        Some(Batches {
            queue: NonNull::new(queue)?,
            slots: vec![ptr::null_mut(); BATCH_RECORDS_MAX],
            consumer,
        })
    }

    /// The consumer.
    pub(super) fn consumer(&self) -> &BaseConsumer<C> {
        &self.consumer
    }

    /// Hands over at most `records_max` of what is in the queue now and says how many there were;
    /// zero: the queue was empty. Never waits. When `each` breaks off, the rest of the batch is
    /// given back unread.
    pub(super) fn take(
        &mut self,
        records_max: usize,
        each: &mut dyn FnMut(Taken<'_>) -> ControlFlow<()>,
    ) -> usize {
        let wanted = records_max.min(self.slots.len());
        // SAFETY: the queue is alive, and `slots` has room for `wanted` pointers.
        let taken = unsafe {
            let slots = self.slots.as_mut_ptr();
            native::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, slots, wanted)
        };
        // Below zero there was an error and no message.
        let taken = usize::try_from(taken).unwrap_or(0);
        let mut batch = Batch {
            rest: self.slots[..taken].iter(),
        };
        for &message in batch.rest.by_ref() {
            let turn = Turn(message);
            // SAFETY: librdkafka filled this slot with a message of ours; it is given back at the
            // end of this turn, after the last use of what is read here.
            let found = unsafe { read(&*turn.0) };
            if each(found).is_break() {
                break;
            }
        }
        taken
    }
}

impl<C: ConsumerContext + 'static> Drop for Batches<C> {
    fn drop(&mut self) {
        // SAFETY: the reference was taken in `new` and is given back once; the consumer still lives.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// The message that is being handed over; given back at the end of its turn.
struct Turn(*mut RDKafkaMessage);

impl Drop for Turn {
    fn drop(&mut self) {
        // SAFETY: it came from librdkafka in this batch, and nothing else gives it back.
        unsafe { native::rd_kafka_message_destroy(self.0) };
    }
}

/// The messages of a batch whose turn has not come; given back if it never does.
struct Batch<'a> {
    rest: slice::Iter<'a, *mut RDKafkaMessage>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for &message in self.rest.by_ref() {
            drop(Turn(message));
        }
    }
}

/// Reads a message.
///
/// # Safety
///
/// It must have come from a consumer's queue and must not have been given back, for as long as
/// what is returned is used.
unsafe fn read(message: &RDKafkaMessage) -> Taken<'_> {
    let partition = u32::try_from(message.partition).unwrap_or(u32::MAX);
    match message.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
            let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            // SAFETY: the message is alive and `kind` is ours.
            let time_ms = unsafe { native::rd_kafka_message_timestamp(message, &mut kind) };
            let has_time =
                kind != native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            // SAFETY: where there is a payload, it has this length and lives with the message.
            let bytes = (!message.payload.is_null()).then(|| unsafe {
                slice::from_raw_parts(message.payload.cast::<u8>(), message.len)
            });
            // SAFETY: the same of the key.
            let key = (!message.key.is_null()).then(|| unsafe {
                slice::from_raw_parts(message.key.cast::<u8>(), message.key_len)
            });
            let record = Record {
                offset: message.offset,
                log_time_ms: (has_time && time_ms >= 0).then_some(time_ms),
                key,
                bytes,
            };
            Taken::Record(partition, record)
        }
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => Taken::End(partition, message.offset),
        code => {
            // SAFETY: the message is alive; the text is its own, or a constant.
            let words = unsafe {
                let words = native::rd_kafka_message_errstr(message);
                if words.is_null() {
                    String::new()
                } else {
                    CStr::from_ptr(words).to_string_lossy().into_owned()
                }
            };
            Taken::Trouble(Trouble {
                partition: message.partition,
                offset: message.offset,
                code: code.into(),
                words,
            })
        }
    }
}
