//! One worker's reader: a consumer of its own, with its partitions assigned by hand. A worker
//! without a partition has none: each costs several threads that wake now and then.
//!
//! Offsets to begin at come in; records go to the worker in the order of each partition. It never
//! passes over what it cannot read: an offset that is gone or a message that is damaged ends the
//! reading with an error. That a broker is away is none; the client comes back by itself.

use std::ops::ControlFlow;
use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::batch::{Batches, Taken, Trouble};
use super::probe::say;
use super::watch::{Bell, Known, WakeFn};
use super::{KafkaSettings, options};
use crate::source::{Extent, Found, LogError, Reader};

/// A worker's reader.
pub(super) struct KafkaReader {
    /// Once there is a partition to read.
    batches: Option<Batches<Quiet>>,
    known: Arc<Known>,
    bell: Bell,
    /// What ended the reading of a partition; every later poll says it again.
    failed: Option<LogError>,
    /// Woken as long as the reader lives.
    waker: Arc<WakeFn>,
}

impl KafkaReader {
    pub(super) fn new(
        known: Arc<Known>,
        bell: Bell,
        from: &[(u32, i64)],
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<KafkaReader, LogError> {
        let extents = known.extents();
        let waker: Arc<WakeFn> = Arc::from(wake);
        known.add_waker(&waker);
        let mut reader = KafkaReader {
            batches: None,
            known,
            bell,
            failed: None,
            waker,
        };
        reader.assign(&extents, from)?;
        Ok(reader)
    }

    /// Reads these partitions, too.
    fn assign(&mut self, extents: &[Extent], from: &[(u32, i64)]) -> Result<(), LogError> {
        if from.is_empty() {
            return Ok(());
        }
        let settings = &self.known.settings;
        let mut list = TopicPartitionList::with_capacity(from.len());
        for &(partition, offset) in from {
            let offset = begin(settings, extents, partition, offset)?;
            list.add_partition_offset(&settings.topic, partition as i32, Offset::Offset(offset))
                .map_err(|error| self.not_assigned(&error))?;
        }
        if self.batches.is_none() {
            let share = from.len() as f64 / extents.len().max(1) as f64;
            self.batches = Some(self.consume(share)?);
        }
        let assigned = self.batches.as_ref().map_or(Ok(()), |batches| {
            batches.consumer().incremental_assign(&list)
        });
        assigned.map_err(|error| self.not_assigned(&error))
    }

    /// Makes the consumer, for a share of the topic.
    fn consume(&self, share: f64) -> Result<Batches<Quiet>, LogError> {
        let settings = &self.known.settings;
        let mut consumer: BaseConsumer<Quiet> = options::reader(settings, share)
            .create_with_context(Quiet)
            .map_err(|error| options::not_made(settings, &error))?;
        let theirs = Arc::clone(&self.waker);
        // The queue is locked while this is called, and whoever polls until zero has seen it empty
        // under the same lock: so there is a call for every message that a poll has not seen.
        consumer.set_nonempty_callback(move || theirs());
        Batches::new(consumer).ok_or_else(|| LogError::KafkaClient {
            why: "the consumer has no queue".to_string(),
        })
    }

    fn not_assigned(&self, error: &KafkaError) -> LogError {
        LogError::KafkaAway {
            bootstrap: self.known.settings.bootstrap.clone(),
            attempted: "assigning partitions",
            why: error.to_string(),
        }
    }

    /// The error that trouble ends the reading with.
    fn end(&self, end: End, trouble: Trouble) -> LogError {
        let partition = u32::try_from(trouble.partition).unwrap_or(u32::MAX);
        let topic = self.known.settings.topic.clone();
        match end {
            End::OutOfRange => self.out_of_range(partition, trouble.offset),
            End::Denied => LogError::KafkaDenied {
                topic,
                attempted: "reading",
                why: trouble.words,
            },
            End::Unreadable => LogError::KafkaUnreadable {
                topic,
                partition,
                offset: trouble.offset,
                why: trouble.words,
            },
        }
    }

    /// Why an offset is not there. Asks the brokers, since a topic that was made again has another
    /// way out.
    fn out_of_range(&self, partition: u32, offset: i64) -> LogError {
        if let Err(error @ LogError::KafkaReplaced { .. }) = self.known.check_id() {
            return error;
        }
        let extents = self.known.probe.extents();
        let extents = extents.unwrap_or_else(|_| self.known.extents());
        let extent = extents.iter().find(|extent| extent.partition == partition);
        LogError::KafkaOutOfRange {
            topic: self.known.settings.topic.clone(),
            partition,
            offset,
            first_offset: extent.map_or(0, |extent| extent.first_offset),
            next_offset: extent.map_or(0, |extent| extent.next_offset),
        }
    }
}

impl Reader for KafkaReader {
    fn poll(
        &mut self,
        records_max: usize,
        each: &mut dyn FnMut(u32, Found<'_>),
    ) -> Result<usize, LogError> {
        if let Some(failure) = self.known.failure().or_else(|| self.failed.clone()) {
            return Err(failure);
        }
        let Some(batches) = &mut self.batches else {
            return Ok(0);
        };
        let bell = &self.bell;
        let mut count = 0;
        let mut ended = None;
        while count < records_max && ended.is_none() {
            let taken = batches.take(records_max - count, &mut |taken| {
                match taken {
                    Taken::Record(partition, record) => {
                        count += 1;
                        each(partition, Found::Record(record));
                    }
                    Taken::End(partition, next_offset) => {
                        each(partition, Found::End { next_offset });
                    }
                    Taken::Trouble(trouble) => {
                        tracing::debug!(partition = trouble.partition, "kafka: {}", trouble.words);
                        if let Some(end) = end_of(trouble.code) {
                            // What follows may be of the same partition, from beyond the trouble.
                            ended = Some((end, trouble));
                            return ControlFlow::Break(());
                        }
                        // The watch finds out whether the topic is still there, and the same.
                        bell.ring();
                    }
                }
                ControlFlow::Continue(())
            });
            if taken == 0 {
                break;
            }
        }
        if let Some((end, trouble)) = ended {
            let error = self.end(end, trouble);
            self.failed = Some(error.clone());
            return Err(error);
        }
        Ok(count)
    }

    fn add(&mut self, partition: u32, offset: i64) -> Result<(), LogError> {
        self.assign(&self.known.extents(), &[(partition, offset)])
    }
}

/// How trouble ends the reading.
#[derive(Clone, Copy)]
enum End {
    OutOfRange,
    Denied,
    Unreadable,
}

/// Whether trouble ends the reading. The client passes over a message that it cannot read and goes
/// on, so all that it can say of one must be here; the rest is trouble with a broker, which it
/// tries again.
fn end_of(code: RDKafkaErrorCode) -> Option<End> {
    match code {
        RDKafkaErrorCode::AutoOffsetReset
        | RDKafkaErrorCode::OffsetOutOfRange
        | RDKafkaErrorCode::LogTruncation => Some(End::OutOfRange),
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => Some(End::Denied),
        RDKafkaErrorCode::BadMessage
        | RDKafkaErrorCode::BadCompression
        | RDKafkaErrorCode::CriticalSystemResource
        | RDKafkaErrorCode::InvalidMessage
        | RDKafkaErrorCode::InvalidMessageSize
        | RDKafkaErrorCode::InvalidRecord
        | RDKafkaErrorCode::MessageSizeTooLarge
        | RDKafkaErrorCode::NotImplemented
        | RDKafkaErrorCode::UnsupportedCompressionType
        | RDKafkaErrorCode::UnsupportedFeature
        | RDKafkaErrorCode::Underflow => Some(End::Unreadable),
        _ => None,
    }
}

/// Where reading begins, if it may.
fn begin(
    settings: &KafkaSettings,
    extents: &[Extent],
    partition: u32,
    offset: i64,
) -> Result<i64, LogError> {
    let topic = || settings.topic.clone();
    let Some(extent) = extents.iter().find(|extent| extent.partition == partition) else {
        return Err(LogError::NoPartition {
            topic: topic(),
            partition,
            partitions: u32::try_from(extents.len()).unwrap_or(u32::MAX),
        });
    };
    let first_offset = extent.first_offset;
    match offset {
        0 if first_offset == 0 || settings.accept_truncated => Ok(first_offset),
        0 => Err(LogError::KafkaTruncated {
            topic: topic(),
            partition,
            first_offset,
        }),
        // That the offset is beyond the end says the broker better, which knows the end of now.
        _ if offset >= first_offset => Ok(offset),
        _ => Err(LogError::KafkaOutOfRange {
            topic: topic(),
            partition,
            offset,
            first_offset,
            next_offset: extent.next_offset,
        }),
    }
}

/// A reader's words: those that matter are in its queue, the rest is said by the watch.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        say(level, facility, words);
    }

    fn error(&self, _error: KafkaError, words: &str) {
        tracing::debug!("kafka: {words}");
    }
}

impl ConsumerContext for Quiet {}
