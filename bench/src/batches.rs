//! Takes messages from a consumer's queue by the batch.
//!
//! The safe binding hands messages out one at a time, which costs about as much as counting them:
//! a bar that is set with it would be too low. So these few lines are unsafe. Each message is given
//! back to librdkafka once.

#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::slice;

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaMessage, RDKafkaQueue, RDKafkaRespErr};
use rdkafka_sys as native;

/// The most messages of one call.
const BATCH_MESSAGES_MAX: usize = 4096;

/// For how long a batch may wait to become full: short enough that the last one costs nothing.
const BATCH_WAIT_MS: i32 = 5;

/// A consumer and its queue.
pub struct Batches {
    queue: NonNull<RDKafkaQueue>,
    slots: Vec<*mut RDKafkaMessage>,
    // Dropped after the queue, which is a reference into it.
    _consumer: BaseConsumer,
}

impl Batches {
    /// Takes over a consumer with a `group.id`.
    pub fn new(consumer: BaseConsumer) -> anyhow::Result<Batches> {
        // SAFETY: the client lives as long as the consumer; the queue is a reference of our own,
        // given back in `drop` before the consumer is.
        let queue = unsafe { native::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        Ok(Batches {
            queue: NonNull::new(queue).context("the consumer has no queue")?,
            slots: vec![ptr::null_mut(); BATCH_MESSAGES_MAX],
            _consumer: consumer,
        })
    }

    /// Hands over the payloads of the next batch, which may be empty, and says how many.
    pub fn take(&mut self, mut each: impl FnMut(&[u8])) -> anyhow::Result<usize> {
        // SAFETY: the queue is alive, and `slots` has room for as many pointers as it says.
        let taken = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                BATCH_WAIT_MS,
                self.slots.as_mut_ptr(),
                self.slots.len(),
            )
        };
        let taken = usize::try_from(taken).context("taking a batch of messages")?;
        let mut failed = None;
        for &message in &self.slots[..taken] {
            // SAFETY: librdkafka has filled this slot with a message of ours, whose payload, if it
            // has one, lives until it is given back below, after its last use.
            unsafe {
                let read = &*message;
                if read.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    failed = Some(RDKafkaErrorCode::from(read.err));
                } else if !read.payload.is_null() {
                    each(slice::from_raw_parts(read.payload.cast::<u8>(), read.len));
                }
                native::rd_kafka_message_destroy(message);
            }
        }
        match failed {
            Some(error) => bail!("reading messages failed: {error}"),
            None => Ok(taken),
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // SAFETY: the reference was taken in `new` and is given back once; the consumer still lives.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}
