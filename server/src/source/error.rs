//! What can go wrong with a log, and what its reader or its operator can do about it.
//!
//! Comes in from the embedded log and from Kafka; goes on to the worker that polls, to the
//! answer of a POST and to the log file. Refused messages are not here: they are data.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use crate::told::Told;

/// The error underneath; shared, since one failed write answers many appends.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a log could not be opened, read or appended to.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Another process, or another part of this one, has the directory open.
    #[error(
        "the log in {} is in use by another process: stop that one, or name another directory with \
         --data", .directory.display()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
    },
    /// The log was made for another topic.
    #[error(
        "the log in {} holds the topic '{found}', not '{asked}': start with --topic {found}, or \
         name another directory with --data", .directory.display()
    )]
    OtherTopic {
        /// The data directory.
        directory: PathBuf,
        /// The topic that it holds.
        found: String,
        /// The topic that was asked for.
        asked: String,
    },
    /// The log was written by a version with another format.
    #[error(
        "the log in {} has format {found} and this version reads format {known}: start the version \
         that wrote it, or name another directory with --data", .directory.display()
    )]
    OtherFormat {
        /// The data directory.
        directory: PathBuf,
        /// The format that it has.
        found: u32,
        /// The format that this version knows.
        known: u32,
    },
    /// The log could not be opened for a reason outside of it.
    #[error(
        "opening the log in {} failed: check that the directory may be written and that its disk \
         has space", .directory.display()
    )]
    Open {
        /// The data directory.
        directory: PathBuf,
        /// What failed.
        source: Cause,
    },
    /// The log's file as a whole is not what was written.
    #[error(
        "the log in {} is damaged ({what}): stop the server and restore the directory from a copy, \
         or start with an empty one and send the votes again", .directory.display()
    )]
    DamagedFile {
        /// The data directory.
        directory: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A record is not what was written.
    #[error(
        "the log in {} is damaged in partition {partition} at offset {offset} ({what}): stop the \
         server and restore the directory from a copy, or start with an empty one and send the \
         votes again", .directory.display()
    )]
    Damaged {
        /// The data directory.
        directory: PathBuf,
        /// The partition.
        partition: u32,
        /// The first offset that cannot be read.
        offset: i64,
        /// What does not fit.
        what: String,
    },
    /// The log has no such partition.
    #[error("the topic '{topic}' has {partitions} partitions and no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition that was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The log does not reach to, or no longer has, the offset.
    #[error(
        "partition {partition} of '{topic}' has the offsets from {first_offset} to before \
         {next_offset} and {offset} was asked for: the log is not the one that was counted, restore \
         it from a copy or count it from the start with a new data directory"
    )]
    OutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset that was asked for.
        offset: i64,
        /// The first offset there.
        first_offset: i64,
        /// The offset after the last one there.
        next_offset: i64,
    },
    /// Reading failed.
    #[error(
        "reading the log in {} failed in partition {partition} at offset {offset}: check the disk, \
         then restart", .directory.display()
    )]
    Read {
        /// The data directory.
        directory: PathBuf,
        /// The partition.
        partition: u32,
        /// Where reading had come to.
        offset: i64,
        /// What failed.
        source: Cause,
    },
    /// Reading one of the server's own facts failed.
    #[error("reading '{fact}' from the log in {} failed: check the disk, then restart", .directory.display())]
    ReadFact {
        /// The data directory.
        directory: PathBuf,
        /// The fact.
        fact: String,
        /// What failed.
        source: Cause,
    },
    /// The disk is full. Later appends work again once there is space.
    #[error(
        "the disk of {} is full and nothing was acknowledged: make space and send the same again",
        .directory.display()
    )]
    Full {
        /// The data directory.
        directory: PathBuf,
    },
    /// Writing failed, and what the disk holds is in doubt until a restart looks.
    #[error(
        "writing to the log in {} failed and no append is taken until a restart: check the disk, \
         restart, send the same again; what was acknowledged is kept", .directory.display()
    )]
    Write {
        /// The data directory.
        directory: PathBuf,
        /// What failed.
        source: Cause,
    },
    /// Reading met a write that failed. The log looks after itself; the next try tells.
    #[error("reading the log in {} was interrupted by a write that failed: try again", .directory.display())]
    Interrupted {
        /// The data directory.
        directory: PathBuf,
    },
    /// More waits to be written than may wait.
    #[error(
        "the log is busy and nothing of this append is stored: send the same again in a moment"
    )]
    Busy,
    /// The clock is not believed.
    #[error(
        "the clock of this machine has jumped by {} and nothing of this append is stored: send the \
         same again; the log takes votes once the clock is right, or has gone on so for a minute",
        jump(*.by_ms)
    )]
    ClockJump {
        /// By how much, ahead if positive.
        by_ms: i64,
    },
    /// One append is larger than may wait.
    #[error("an append of {bytes} bytes is over the limit of {bytes_max}: send it in parts")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The log was closed, as it is at a shutdown.
    #[error("the log is closed, the server is about to end: send the same again after its restart")]
    Closed,
    /// An option for the Kafka clients that would break what the counting relies on, or that they
    /// do not take.
    #[error("the kafka option '{option}' cannot be used: {why}")]
    KafkaOption {
        /// Its name; values may be secrets and are never shown.
        option: String,
        /// The reason.
        why: String,
    },
    /// The clients could not be made.
    #[error(
        "making the kafka clients failed ({why}): check the values given with --kafka-option, and \
         the limits of this machine"
    )]
    KafkaClient {
        /// What the client says.
        why: String,
    },
    /// Encryption was asked for and is not built in.
    #[error(
        "the kafka option '{option}' needs TLS and this build has none: use the container image, or \
         build with 'cargo build --release --features tls'"
    )]
    KafkaNoTls {
        /// The option that asks for it.
        option: String,
    },
    /// The brokers could not be asked, for now.
    #[error(
        "{attempted} at the kafka brokers {bootstrap} failed ({why}): check that they run and can be \
         reached from here; it is tried again"
    )]
    KafkaAway {
        /// The brokers' addresses as they were given.
        bootstrap: String,
        /// What was attempted.
        attempted: &'static str,
        /// What the client says.
        why: String,
    },
    /// There is no such topic and none may be made.
    #[error(
        "the kafka brokers {bootstrap} have no topic '{topic}': create it, or name another with \
         --topic, or let it be made by leaving out --no-create-topics"
    )]
    KafkaNoTopic {
        /// The brokers' addresses as they were given.
        bootstrap: String,
        /// The topic.
        topic: String,
    },
    /// A topic could not be made or given more partitions.
    #[error("making the kafka topic '{topic}' failed ({why}): create it by hand, then start again")]
    KafkaNotMade {
        /// The topic.
        topic: String,
        /// What the broker says.
        why: String,
    },
    /// The brokers do not allow what is needed.
    #[error(
        "kafka does not allow {attempted} for the topic '{topic}' ({why}): give this user the right \
         to read, write and describe it, or use another with --kafka-option"
    )]
    KafkaDenied {
        /// The topic.
        topic: String,
        /// What was attempted.
        attempted: &'static str,
        /// What the broker says.
        why: String,
    },
    /// The topic loses messages while it is read.
    #[error(
        "the kafka topic '{topic}' is compacted: a message vanishes once a later one has its key, so \
         a recount of the same offsets finds other votes; set cleanup.policy=delete, or count what \
         is left with --accept-compacted"
    )]
    KafkaCompacted {
        /// The topic.
        topic: String,
    },
    /// The topic has another identity than the one that was counted.
    #[error(
        "the kafka topic '{topic}' was deleted and made again: the votes counted are of the one with \
         id {counted} and there is now one with id {found}; restore the topic that was counted, or \
         count the new one from its start with --recount"
    )]
    KafkaReplaced {
        /// The topic.
        topic: String,
        /// The id of the topic that was counted.
        counted: String,
        /// The id of the topic that is there.
        found: String,
    },
    /// The topic went away while it was counted.
    #[error(
        "the kafka topic '{topic}' with id {counted} is gone: restore it and start again, or make a \
         new one and count that from its start with --recount"
    )]
    KafkaGone {
        /// The topic.
        topic: String,
        /// The id of the topic that was counted.
        counted: String,
    },
    /// Kafka does not have the offset any more, or not yet.
    #[error(
        "partition {partition} of the kafka topic '{topic}' has the offsets from {first_offset} to \
         before {next_offset} and {offset} was asked for: messages are gone that were not counted, \
         or the brokers lost some that were; restore the topic, or count what is left from its \
         start with --recount --accept-truncated"
    )]
    KafkaOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset that was asked for.
        offset: i64,
        /// The first offset there.
        first_offset: i64,
        /// The offset after the last one there.
        next_offset: i64,
    },
    /// The start of a partition is gone before anything of it was counted.
    #[error(
        "partition {partition} of the kafka topic '{topic}' begins at offset {first_offset}: what was \
         before it is gone and its votes would be missing; restore the topic, or count what is left \
         with --accept-truncated"
    )]
    KafkaTruncated {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The first offset there.
        first_offset: i64,
    },
    /// A message is there and cannot be read.
    #[error(
        "reading the kafka topic '{topic}' failed in partition {partition} near offset {offset} \
         ({why}): it is not passed over, since its votes would be missing; repair or restore the \
         partition, then start again"
    )]
    KafkaUnreadable {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where reading had come to, about.
        offset: i64,
        /// What the client says.
        why: String,
    },
    /// A message is larger than the broker takes.
    #[error(
        "a message of {bytes} bytes is larger than the kafka topic '{topic}' takes: send smaller \
         ones, or raise max.message.bytes of the topic"
    )]
    KafkaTooLarge {
        /// The topic.
        topic: String,
        /// The size of the message.
        bytes: usize,
    },
    /// Not every message of an append was acknowledged.
    #[error(
        "writing to the kafka topic '{topic}' failed ({why}) and some of the messages may be stored: \
         send the same again, identical events count once"
    )]
    KafkaNotStored {
        /// The topic.
        topic: String,
        /// What the client says.
        why: String,
    },
    /// A refused message could not be kept.
    #[error(
        "keeping the refused message of partition {partition}, offset {offset} in the kafka topic \
         '{topic}' failed ({why}): see that the topic can be written to and takes messages of 1 MiB, \
         then start again"
    )]
    KafkaNotKept {
        /// The topic of refused messages.
        topic: String,
        /// The partition that the message was read from.
        partition: u32,
        /// Its offset there.
        offset: i64,
        /// What the client says.
        why: String,
    },
}

/// A jump in words, rounded, so that the same one reads the same.
fn jump(by_ms: i64) -> String {
    let minutes = (by_ms.unsigned_abs() / 60_000).max(1);
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    let way = if by_ms > 0 { "ahead" } else { "back" };
    format!("about {minutes} {unit} {way}")
}

impl LogError {
    /// What everybody may know of it, and what the operator.
    pub fn told(&self) -> Told {
        let public = match self {
            LogError::Busy | LogError::Closed | LogError::TooLarge { .. } => {
                return Told::same(self.to_string());
            }
            LogError::Full { .. } => "the log takes nothing: its disk is full",
            LogError::KafkaAway { .. } => {
                "the log's brokers cannot be reached; they are tried again"
            }
            LogError::KafkaNoTopic { .. }
            | LogError::KafkaReplaced { .. }
            | LogError::KafkaGone { .. } => {
                "the log's topic is gone, or is another than was counted"
            }
            LogError::KafkaDenied { .. } => "the log's brokers do not allow what is needed",
            _ => "the log cannot be used",
        };
        Told::of(public, self)
    }

    /// Whether the same call may succeed later without anybody restarting the server.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            LogError::Busy
                | LogError::ClockJump { .. }
                | LogError::Full { .. }
                | LogError::Interrupted { .. }
                | LogError::KafkaAway { .. }
                | LogError::KafkaNotStored { .. }
        )
    }
}
