//! Asks the brokers about the topic: its partitions, their extents, its id.
//!
//! Questions come from a start and from the watch; answers or errors go out, each within a bounded
//! time. Reads no message and writes none. What the clients say meanwhile goes to the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::{KafkaSettings, options, topic_id};
use crate::source::{Extent, LogError};

/// How long one question may take; a start and the watch ask again.
const QUESTION: Duration = Duration::from_secs(3);

/// How many lines of the clients' log are passed on at a time.
const LINES_MAX: usize = 256;

/// A client that asks.
pub(super) struct Probe {
    client: BaseConsumer<Voice>,
    bootstrap: String,
    topic: String,
}

impl Probe {
    /// Makes the client. It need not reach a broker.
    pub(super) fn new(settings: &KafkaSettings) -> Result<Probe, LogError> {
        let client = options::probe(settings)
            .create_with_context(Voice::default())
            .map_err(|error| options::not_made(settings, &error))?;
        Ok(Probe {
            client,
            bootstrap: settings.bootstrap.clone(),
            topic: settings.topic.clone(),
        })
    }

    /// How many partitions a topic has. Some of them may have no leader yet.
    pub(super) fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        let attempted = "asking for the topic";
        let metadata = self
            .client
            .fetch_metadata(Some(topic), QUESTION)
            .map_err(|error| self.failed(topic, attempted, &error))?;
        let Some(found) = metadata.topics().first() else {
            return Err(self.no_topic(topic));
        };
        if let Some(error) = found.error() {
            return Err(self.denied_or_away(topic, attempted, error.into()));
        }
        Ok(u32::try_from(found.partitions().len()).unwrap_or(u32::MAX))
    }

    /// The extents of all partitions of the topic; the ends are those that a reader of committed
    /// messages sees.
    pub(super) fn extents(&self) -> Result<Vec<Extent>, LogError> {
        let partitions = self.partitions(&self.topic)?;
        let firsts = self.offsets(&self.topic, partitions, Offset::Beginning)?;
        let nexts = self.offsets(&self.topic, partitions, Offset::End)?;
        let extents = (0..).zip(firsts.iter().zip(nexts));
        Ok(extents
            .map(|(partition, (&first_offset, next_offset))| Extent {
                partition,
                first_offset,
                // Asked for later than the first, so it is below it only if both moved.
                next_offset: next_offset.max(first_offset),
            })
            .collect())
    }

    /// The first offsets of all partitions, or the offsets after their last messages, with one
    /// question to each broker.
    pub(super) fn offsets(
        &self,
        topic: &str,
        partitions: u32,
        end: Offset,
    ) -> Result<Vec<i64>, LogError> {
        let attempted = "asking for the offsets";
        if partitions == 0 {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(partitions as usize);
        for partition in 0..partitions {
            // Instead of a time one may ask for either end.
            list.add_partition_offset(topic, partition as i32, end)
                .map_err(|error| self.failed(topic, attempted, &error))?;
        }
        let list = self
            .client
            .offsets_for_times(list, QUESTION)
            .map_err(|error| self.failed(topic, attempted, &error))?;
        let mut offsets = vec![-1; partitions as usize];
        for element in list.elements() {
            element
                .error()
                .map_err(|error| self.failed(topic, attempted, &error))?;
            if let Offset::Offset(offset) = element.offset() {
                offsets[element.partition() as usize] = offset;
            }
        }
        match offsets.iter().position(|&offset| offset < 0) {
            None => Ok(offsets),
            Some(partition) => Err(self.away(
                attempted,
                format!("partition {partition} of '{topic}' has no answer yet"),
            )),
        }
    }

    /// The topic's id.
    pub(super) fn topic_id(&self) -> Result<String, LogError> {
        topic_id::topic_id(self.client.client(), &self.topic, QUESTION)
            .map_err(|code| self.denied_or_away(&self.topic, "asking for the topic's id", code))
    }

    /// Passes on what the clients had to say since the last time.
    pub(super) fn serve(&self) {
        for _ in 0..LINES_MAX {
            // What is an error here went through the context already.
            if self.client.poll(Duration::ZERO).is_none() && self.is_silent() {
                break;
            }
        }
    }

    /// Whether nothing was said since this was asked last. A line counts as no message.
    fn is_silent(&self) -> bool {
        let mut spoke = lock(&self.client.context().spoke);
        !std::mem::take(&mut *spoke)
    }

    fn failed(&self, topic: &str, attempted: &'static str, error: &KafkaError) -> LogError {
        match error.rdkafka_error_code() {
            Some(code) => self.denied_or_away(topic, attempted, code),
            None => self.away(attempted, error.to_string()),
        }
    }

    fn denied_or_away(
        &self,
        topic: &str,
        attempted: &'static str,
        code: RDKafkaErrorCode,
    ) -> LogError {
        match code {
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicId => self.no_topic(topic),
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidTopic => LogError::KafkaDenied {
                topic: topic.to_string(),
                attempted,
                why: code.to_string(),
            },
            code => {
                self.serve();
                let said = lock(&self.client.context().said).clone();
                let why = said.unwrap_or_else(|| code.to_string());
                self.away(attempted, why)
            }
        }
    }

    fn away(&self, attempted: &'static str, why: String) -> LogError {
        LogError::KafkaAway {
            bootstrap: self.bootstrap.clone(),
            attempted,
            why,
        }
    }

    fn no_topic(&self, topic: &str) -> LogError {
        LogError::KafkaNoTopic {
            bootstrap: self.bootstrap.clone(),
            topic: topic.to_string(),
        }
    }
}

/// Where the clients' words go.
#[derive(Default)]
pub(super) struct Voice {
    /// The last trouble with a broker, which says more than the code of an error.
    said: Mutex<Option<String>>,
    spoke: Mutex<bool>,
}

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        *lock(&self.spoke) = true;
        say(level, facility, words);
    }

    fn error(&self, error: KafkaError, words: &str) {
        *lock(&self.spoke) = true;
        tracing::debug!("kafka: {words}");
        // That all are down is said after each of them said why.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *lock(&self.said) = Some(words.to_string());
        }
    }
}

impl ConsumerContext for Voice {}

/// Passes a client's line on. Trouble with a broker is repeated at each try, and the watch says
/// once that it began and that it ended; so these lines are for those who look closely.
pub(super) fn say(level: RDKafkaLogLevel, facility: &str, words: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!("kafka: {facility}: {words}");
        }
        _ => tracing::debug!("kafka: {facility}: {words}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
