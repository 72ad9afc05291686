//! One immutable file of events: Parquet, so that others read it too.
//!
//! Kept events go in, sorted by their identity and each once; the same events come out, under the
//! numbers of another directory. What a column means is the contract with whoever reads a
//! checkpoint, and with every later version of this one.
//!
//! | column | content |
//! |---|---|
//! | `voter` | the keyed hash of the voter, 16 bytes, big-endian |
//! | `contest_id` | null: the message named none, and there was no default; or there is the next |
//! | `contest_hash` | the keyed hash of a contest that is not known, where too many are not |
//! | `vote_uuid` | the vote id where it is a canonical UUID |
//! | `vote_hash` | the keyed hash of any other; null both: the vote id is the voter's |
//! | `candidate_id` | the first choice; null for a blank ballot and for a void |
//! | `choices` | all choices as a JSON list, where there are more than one |
//! | `location` | null: the message named none |
//! | `timestamp` | null where the message had none, and for a void |
//! | `log_time` | the earliest time in the log of a cast without a timestamp |
//! | `partition`, `offset` | where its first copy lies; null for a void |
//! | `late` | whether every copy came late |
//! | `state` | `accepted`, `superseded`, `voided`, `set_aside` or `void` |
//! | `checkpoint` | the number of the checkpoint that wrote the row |
//!
//! Where several files have the same event, the row with the highest `checkpoint` holds.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescriptor, Type};

pub use read::Segment;
#[cfg(test)]
pub use write::write;
pub use write::write_files;

pub(super) use encode::Encoder;
pub(super) use identity::Identity;
pub(super) use read::Lookup;

mod columns;
mod encode;
mod identity;
mod read;
mod write;

/// The most rows of one row group that is read: what a reader holds decoded at a time.
pub const GROUP_ROWS_MAX: usize = 131_072;

/// The rows of a row group that is written: their columns fit a processor's cache while they
/// become rows again.
pub const GROUP_ROWS: usize = 32_768;

/// The most rows of one file that is written, some 20 MB. A merge holds a file of each run that
/// it merges.
pub const FILE_ROWS_MAX: usize = 16 * GROUP_ROWS;

/// A file's columns, by their place.
#[derive(Clone, Copy)]
enum Column {
    Voter,
    Contest,
    ContestHash,
    VoteUuid,
    VoteHash,
    Candidate,
    Choices,
    Location,
    Timestamp,
    LogTime,
    Partition,
    Offset,
    Late,
    State,
    Checkpoint,
}

const SCHEMA: &str = "
    message event {
        required fixed_len_byte_array(16) voter;
        optional binary contest_id (STRING);
        optional fixed_len_byte_array(16) contest_hash;
        optional fixed_len_byte_array(16) vote_uuid (UUID);
        optional fixed_len_byte_array(16) vote_hash;
        optional binary candidate_id (STRING);
        optional binary choices (STRING);
        optional binary location (STRING);
        optional int64 timestamp (TIMESTAMP(MILLIS, true));
        optional int64 log_time (TIMESTAMP(MILLIS, true));
        optional int32 partition;
        optional int64 offset;
        required boolean late;
        required binary state (STRING);
        required int64 checkpoint;
    }
";

static SCHEMA_TYPE: LazyLock<Arc<Type>> =
    LazyLock::new(|| Arc::new(parse_message_type(SCHEMA).expect("the schema is sound")));

static SCHEMA_COLUMNS: LazyLock<SchemaDescriptor> =
    LazyLock::new(|| SchemaDescriptor::new(Arc::clone(&SCHEMA_TYPE)));

/// A written file.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Its bytes.
    pub bytes: Bytes,
    /// How many events it holds.
    pub rows: u64,
}

/// Why a segment could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The bytes are no segment, though they may be those that were written.
    #[error(
        "could not read a segment ({what}): it is not one that this version wrote; start the \
         version that did, or restore the checkpoints from a copy"
    )]
    Malformed {
        /// What does not fit.
        what: String,
    },
    /// Rows could not be encoded.
    #[error("could not write a segment")]
    Encode(#[source] ParquetError),
}

impl SegmentError {
    fn malformed(what: impl Into<String>) -> SegmentError {
        SegmentError::Malformed { what: what.into() }
    }
}

/// For errors of the format's library while reading.
fn unreadable(error: ParquetError) -> SegmentError {
    SegmentError::malformed(error.to_string())
}
