//! Where messages come from: the log, as the workers read it and as POST appends to it.
//!
//! A log is a topic of partitions; a record has an offset, the log's own time and bytes. Nothing
//! here looks into the bytes. The embedded log and Kafka implement these traits.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::told::Told;

pub use clock::wall_ms;
pub use error::LogError;

mod clock;
pub mod embedded;
mod error;
pub mod kafka;

/// The longest topic name, as Kafka has it.
const TOPIC_BYTES_MAX: usize = 249;

/// One partition's extent at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The partition's number.
    pub partition: u32,
    /// The first offset that the log still has.
    pub first_offset: i64,
    /// The offset that the next record will get.
    pub next_offset: i64,
}

/// One record as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// When the log took it, in milliseconds since the Unix epoch; `None` where a log keeps none.
    /// Within a partition it never decreases.
    pub log_time_ms: Option<i64>,
    /// What decided the partition; `None` where a log keeps none.
    pub key: Option<&'a [u8]>,
    /// What was appended, unchanged; `None` for a message without a body.
    pub bytes: Option<&'a [u8]>,
}

/// What a reader finds in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The next record.
    Record(Record<'a>),
    /// There is no record below this offset that was not handed over: the end for now, which a
    /// log with gaps (markers of transactions, say) tells apart from its last record.
    End {
        /// The offset that the next record will have, or a later one.
        next_offset: i64,
    },
}

/// Whether the log can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it cannot; `None` while it can.
    pub error: Option<Told>,
    /// Since when it cannot, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
}

/// A log of one topic, shared by all workers of the process.
pub trait Log: Send + Sync {
    /// The topic's name.
    fn topic(&self) -> &str;

    /// What tells this log from another of the same name, such as a topic deleted and made again.
    /// Asks the log, and so may block for some seconds.
    fn topic_id(&self) -> Result<String, LogError>;

    /// Whether every offset has a message.
    fn is_gapless(&self) -> bool {
        false
    }

    /// The extent of every partition now, by partition. Asks the log, and so may block for some
    /// seconds.
    fn extents(&self) -> Result<Vec<Extent>, LogError>;

    /// Whether what is there may be counted from now on, as far as its settings say. Asks the log,
    /// and so may block for some seconds.
    fn examine(&self) -> Result<(), LogError> {
        Ok(())
    }

    /// The same as it was known last, from memory. Partitions that are new come up here.
    fn last_extents(&self) -> Vec<Extent>;

    /// Whether the log can be reached, from memory.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Where the refused messages of some partitions go, if they go anywhere: the embedded log
    /// keeps the record itself. Looks up what is there already, and so may block.
    fn refused(&self, _partitions: &[u32]) -> Result<Option<Box<dyn RefusedWriter>>, LogError> {
        Ok(None)
    }

    /// A reader of some partitions, each from an offset on. `wake` is called, from any thread and
    /// cheaply, when one of them may have grown; it may be called without cause. It is called
    /// after the records can be read, so one that polls until zero and then waits for `wake`
    /// misses none.
    fn reader(
        &self,
        from: &[(u32, i64)],
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Box<dyn Reader>, LogError>;
}

/// Reads the partitions of one worker; stays on that worker's thread.
pub trait Reader {
    /// Hands over records that are there now, by partition in offset order, at most about
    /// `records_max` of them (the last block whole), and says how many. Partitions take turns.
    /// Zero: the end of all is reached for now. `each` is called with the partition and one
    /// record, or the end. After an error, what `each` got before it counts as read.
    fn poll(
        &mut self,
        records_max: usize,
        each: &mut dyn FnMut(u32, Found<'_>),
    ) -> Result<usize, LogError>;

    /// Reads a partition that has come up since the start, too.
    fn add(&mut self, partition: u32, offset: i64) -> Result<(), LogError>;
}

/// A message that is no valid event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedMessage<'a> {
    /// The partition that it was read from.
    pub partition: u32,
    /// The message, unchanged.
    pub record: Record<'a>,
    /// Why, as answers call it.
    pub reason: &'static str,
    /// The sentence that its sender would get.
    pub detail: &'a str,
}

/// The same, kept until it can be written.
#[derive(Clone, Debug)]
pub struct WaitingMessage {
    partition: u32,
    offset: i64,
    log_time_ms: Option<i64>,
    key: Option<Box<[u8]>>,
    bytes: Option<Box<[u8]>>,
    reason: &'static str,
    detail: Box<str>,
}

impl From<RefusedMessage<'_>> for WaitingMessage {
    fn from(message: RefusedMessage<'_>) -> WaitingMessage {
        WaitingMessage {
            partition: message.partition,
            offset: message.record.offset,
            log_time_ms: message.record.log_time_ms,
            key: message.record.key.map(Box::from),
            bytes: message.record.bytes.map(Box::from),
            reason: message.reason,
            detail: message.detail.into(),
        }
    }
}

impl WaitingMessage {
    /// The message.
    pub fn message(&self) -> RefusedMessage<'_> {
        let record = Record {
            offset: self.offset,
            log_time_ms: self.log_time_ms,
            key: self.key.as_deref(),
            bytes: self.bytes.as_deref(),
        };
        RefusedMessage {
            partition: self.partition,
            record,
            reason: self.reason,
            detail: &self.detail,
        }
    }
}

/// Brings refused messages to the place where they are kept; used by one worker.
pub trait RefusedWriter {
    /// Takes over a message, in offset order for each partition. One that is there already, since
    /// it was read again after a restart, is skipped. [`LogError::Busy`]: try the same again.
    fn put(&mut self, message: RefusedMessage<'_>) -> Result<(), LogError>;

    /// Also keeps the refused messages of a partition that has come up since the start.
    fn add(&mut self, partition: u32) -> Result<(), LogError>;

    /// For every partition with messages on their way, the first offset that is not known to be
    /// durable. An error ends the counting: what is on its way would be lost.
    fn unsafe_from(&mut self) -> Result<BTreeMap<u32, i64>, LogError>;
}

/// Appends to a log; shared by all requests of the process.
pub trait Writer: Send + Sync {
    /// The time by which messages are judged before they are appended, in milliseconds since the
    /// Unix epoch; an error where it cannot be believed now.
    fn now_ms(&self) -> Result<i64, LogError> {
        Ok(clock::wall_ms())
    }

    /// Appends messages and resolves when they are durable, all of them or none. Their log time is
    /// no earlier than `not_before_ms`, nor than the clock, nor than that of the record before.
    ///
    /// [`LogError::Busy`] comes at once, never after a wait. After any other error some of them
    /// may be stored, as they may when the future is dropped: the same may be sent again, since
    /// identical events count once.
    fn append(
        &self,
        messages: Vec<Message>,
        not_before_ms: i64,
    ) -> BoxFuture<'static, Result<Appended, LogError>>;
}

/// One message to append.
#[derive(Clone, Debug)]
pub struct Message {
    /// Decides the partition: messages of one key keep their order.
    pub key: Bytes,
    /// What a reader gets.
    pub bytes: Bytes,
}

/// Where an append ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// How many messages are stored.
    pub stored: u64,
    /// For each partition that got one: the offset after its last, by partition.
    pub next_offsets: BTreeMap<u32, i64>,
}

/// Refuses a topic's name that a broker would, whatever the log is: it may move to one.
pub fn check_topic(topic: &str) -> anyhow::Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let sound = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(legal);
    anyhow::ensure!(
        sound && topic != "." && topic != "..",
        "'{topic}' is no name for a topic: use 1 to {TOPIC_BYTES_MAX} of a-z, A-Z, 0-9, '.', '_' \
         and '-'"
    );
    Ok(())
}
