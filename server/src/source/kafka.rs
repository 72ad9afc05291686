//! Apache Kafka as the log: a topic that others write to and that is read committed.
//!
//! Messages come from the brokers to the workers, and from POST to the brokers; refused messages
//! go to a topic beside it. One process shares one producer and one watch; each worker has a
//! consumer of its own, with partitions assigned by hand: no consumer group, no rebalance, and no
//! offset is ever kept in Kafka. What a message says is not looked at.
//!
//! ```text
//!  brokers ── batch.rs ── reader.rs ──▶ worker ──▶ refused.rs ──▶ <topic>.refused
//!     ▲            unsafe    laws                    once each
//!     ├── writer.rs ◀── append
//!     └── probe.rs ◀── watch.rs    extents, health, is it still the same topic
//! ```
//!
//! Invariant: a record that was not handed over is never passed over. Where Kafka no longer has an
//! offset, cannot give a message, or has another topic of the same name, there is an error that
//! says what to do.
//!
//! Non-guarantee: where the topic is set to CreateTime, a record's log time is what its writer says
//! and may decrease within a partition. A topic that is made here is set to LogAppendTime.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ::producer::target::VOTES_TOPIC_CONFIG;
use futures_util::future::BoxFuture;

use super::{Appended, Extent, Health, Log, LogError, Message, Reader, RefusedWriter, Writer};
use probe::Probe;
use reader::KafkaReader;
use refused::KafkaRefused;
use watch::{Bell, Known};
use writer::KafkaWriter;

use crate::warnings::Warnings;

mod batch;
mod options;
mod probe;
mod producer;
mod reader;
mod refused;
mod settings;
#[cfg(test)]
mod tests;
mod topic_id;
mod topics;
mod watch;
mod writer;

/// Where the topic is and how it may be used.
#[derive(Clone)]
pub struct KafkaSettings {
    /// Some of the brokers, as `host:port,host:port`.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// Options of librdkafka for all clients, such as those for security. Values may be secrets.
    pub options: Vec<(String, String)>,
    /// Whether the topic is made if it is not there.
    pub create_topic: bool,
    /// How many partitions it is made with.
    pub partitions_new: i32,
    /// Whether a partition whose start is gone is counted from what is left of it.
    pub accept_truncated: bool,
    /// Whether a topic is counted that loses messages while it is read.
    pub accept_compacted: bool,
    /// Where it is said what is wrong with the topic.
    pub warnings: Warnings,
}

#[cfg(test)]
impl KafkaSettings {
    /// A topic as it is, with all else by default.
    pub fn new(bootstrap: impl Into<String>, topic: impl Into<String>) -> KafkaSettings {
        KafkaSettings {
            bootstrap: bootstrap.into(),
            topic: topic.into(),
            options: Vec::new(),
            create_topic: false,
            partitions_new: 8,
            accept_truncated: false,
            accept_compacted: false,
            warnings: Warnings::default(),
        }
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of options only the names: any value may be a secret.
        let options: Vec<_> = self.options.iter().map(|(option, _)| option).collect();
        formatter
            .debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("topic", &self.topic)
            .field("options", &options)
            .field("create_topic", &self.create_topic)
            .field("partitions_new", &self.partitions_new)
            .field("accept_truncated", &self.accept_truncated)
            .field("accept_compacted", &self.accept_compacted)
            .finish_non_exhaustive()
    }
}

/// A topic of Kafka; clones are the same one.
#[derive(Clone)]
pub struct KafkaLog {
    known: Arc<Known>,
    writer: KafkaWriter,
    refused: refused::Shared,
    /// With the last clone and the last reader the watch ends, too.
    bell: Bell,
}

impl KafkaLog {
    /// Makes the clients and starts the watch. No broker need be reachable; what cannot work
    /// whatever they say, such as an option that does not exist, is an error at once.
    pub fn connect(settings: KafkaSettings) -> Result<KafkaLog, LogError> {
        options::check(&settings)?;
        let probe = Probe::new(&settings)?;
        let writer = KafkaWriter::new(&settings)?;
        let known = Arc::new(Known::new(settings, probe));
        let bell = watch::start(Arc::clone(&known))?;
        Ok(KafkaLog {
            known,
            writer,
            refused: refused::Shared::default(),
            bell,
        })
    }

    /// Makes the topic for votes: kept for ever, with the brokers' clock as log time.
    fn make_topic(&self) -> Result<(), LogError> {
        let settings = &self.known.settings;
        let partitions = u32::try_from(settings.partitions_new).unwrap_or(1).max(1);
        let (probe, topic) = (&self.known.probe, &settings.topic);
        topics::make(settings, probe, topic, partitions, &VOTES_TOPIC_CONFIG)
    }
}

impl Log for KafkaLog {
    fn topic(&self) -> &str {
        &self.known.settings.topic
    }

    fn topic_id(&self) -> Result<String, LogError> {
        self.known.check_id()
    }

    fn extents(&self) -> Result<Vec<Extent>, LogError> {
        let extents = match self.known.probe.extents() {
            Err(LogError::KafkaNoTopic { .. }) if self.known.settings.create_topic => {
                self.make_topic()?;
                self.known.probe.extents()?
            }
            other => other?,
        };
        self.known.keep_extents(&extents);
        Ok(extents)
    }

    fn examine(&self) -> Result<(), LogError> {
        settings::examine(&self.known.settings, true)
    }

    fn last_extents(&self) -> Vec<Extent> {
        self.known.extents()
    }

    fn health(&self) -> Health {
        self.known.health()
    }

    fn refused(&self, partitions: &[u32]) -> Result<Option<Box<dyn RefusedWriter>>, LogError> {
        let writer = KafkaRefused::new(Arc::clone(&self.known), &self.refused, partitions)?;
        Ok(Some(Box::new(writer)))
    }

    /// Asks the brokers first, and so may block for some seconds.
    fn reader(
        &self,
        from: &[(u32, i64)],
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Box<dyn Reader>, LogError> {
        if self.known.extents().is_empty() {
            self.extents()?;
        }
        let known = Arc::clone(&self.known);
        let reader = KafkaReader::new(known, self.bell.clone(), from, wake)?;
        Ok(Box::new(reader))
    }
}

impl Writer for KafkaLog {
    fn append(
        &self,
        messages: Vec<Message>,
        not_before_ms: i64,
    ) -> BoxFuture<'static, Result<Appended, LogError>> {
        self.writer.append(messages, not_before_ms)
    }
}

/// Milliseconds since the Unix epoch by this machine's clock.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
