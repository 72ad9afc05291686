//! Finds how far a source partition's refused messages are kept already.
//!
//! Looks at the end of the partition of refused messages and walks back in growing steps, until
//! there is one of that source. Usually it is the last message; where the source was made again
//! and has had none refused since, the walk goes to the start.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::super::options;
use super::super::probe::Voice;
use super::super::watch::Known;
use crate::source::LogError;

pub(super) const REASON: &str = "reason";
pub(super) const DETAIL: &str = "detail";
pub(super) const SOURCE_TOPIC: &str = "source_topic";
pub(super) const SOURCE_PARTITION: &str = "source_partition";
pub(super) const SOURCE_OFFSET: &str = "source_offset";
pub(super) const SOURCE_TOPIC_ID: &str = "source_topic_id";
pub(super) const BODY_OMITTED: &str = "body_omitted";

/// The first step back, and how large steps become.
const STEP_MIN: i64 = 64;
const STEP_MAX: i64 = 65_536;

/// How long no message may come until the search is given up.
const SILENCE: Duration = Duration::from_secs(15);

const ATTEMPTED: &str = "looking at what is kept of refused messages";

/// What is looked for, and where.
pub(super) struct Search<'a> {
    pub(super) known: &'a Known,
    pub(super) topic: &'a str,
    pub(super) source_topic_id: &'a str,
}

impl Search<'_> {
    /// The highest source offset that is kept of each partition; -1 for none.
    pub(super) fn last_offsets(&self, partitions: &[u32]) -> Result<BTreeMap<u32, i64>, LogError> {
        let (settings, probe) = (&self.known.settings, &self.known.probe);
        let count = probe.partitions(self.topic)?;
        let firsts = probe.offsets(self.topic, count, Offset::Beginning)?;
        let nexts = probe.offsets(self.topic, count, Offset::End)?;
        let consumer: BaseConsumer<Voice> = options::tail(settings)
            .create_with_context(Voice::default())
            .map_err(|error| options::not_made(settings, &error))?;
        let mut lasts = BTreeMap::new();
        for &partition in partitions {
            let place = partition as usize;
            let (Some(&first), Some(&next)) = (firsts.get(place), nexts.get(place)) else {
                return Err(LogError::NoPartition {
                    topic: self.topic.to_string(),
                    partition,
                    partitions: count,
                });
            };
            lasts.insert(
                partition,
                self.walk_back(&consumer, partition, first, next)?,
            );
        }
        Ok(lasts)
    }

    fn walk_back(
        &self,
        consumer: &BaseConsumer<Voice>,
        partition: u32,
        first: i64,
        next: i64,
    ) -> Result<i64, LogError> {
        let mut end = next;
        let mut step = STEP_MIN;
        while end > first {
            let start = first.max(end - step);
            if let Some(last) = self.read(consumer, partition, start, end)? {
                return Ok(last);
            }
            end = start;
            step = (step * 4).min(STEP_MAX);
        }
        Ok(-1)
    }

    /// The highest source offset of the messages from `start` to before `end`.
    fn read(
        &self,
        consumer: &BaseConsumer<Voice>,
        partition: u32,
        start: i64,
        end: i64,
    ) -> Result<Option<i64>, LogError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, partition as i32, Offset::Offset(start))
            .and_then(|()| consumer.assign(&list))
            .map_err(|error| self.away(error.to_string()))?;
        let mut last = None;
        let mut deadline = Instant::now() + SILENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.away("no message came".to_string()));
            }
            match consumer.poll(left.min(Duration::from_millis(100))) {
                Some(Ok(message)) => {
                    deadline = Instant::now() + SILENCE;
                    if message.offset() < end {
                        last = last.max(self.source_offset(&message, partition));
                    }
                    // Offsets may have gaps, so the last one below the end may be missing.
                    if message.offset() + 1 >= end {
                        return Ok(last);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
                Some(Err(error)) => self.judge(&error)?,
                None => {}
            }
        }
    }

    /// Which message of the source this is, if it is one.
    fn source_offset(&self, message: &BorrowedMessage<'_>, partition: u32) -> Option<i64> {
        let headers = message.headers()?;
        let text = |key: &str| {
            let header = headers.iter().find(|header| header.key == key)?;
            std::str::from_utf8(header.value?).ok()
        };
        let is_ours = text(SOURCE_TOPIC)? == self.known.settings.topic
            && text(SOURCE_TOPIC_ID)? == self.source_topic_id
            && text(SOURCE_PARTITION)?.parse() == Ok(partition);
        is_ours.then(|| text(SOURCE_OFFSET)?.parse().ok()).flatten()
    }

    fn judge(&self, error: &KafkaError) -> Result<(), LogError> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(LogError::KafkaDenied {
                topic: self.topic.to_string(),
                attempted: "reading",
                why: error.to_string(),
            }),
            // A deletion came between the question and the reading.
            Some(RDKafkaErrorCode::AutoOffsetReset) => Err(self.away(error.to_string())),
            _ => Ok(()),
        }
    }

    fn away(&self, why: String) -> LogError {
        LogError::KafkaAway {
            bootstrap: self.known.settings.bootstrap.clone(),
            attempted: ATTEMPTED,
            why,
        }
    }
}
