//! Whether a file's bytes are those that were written.
//!
//! Every reference to a file holds its size and its checksum (XXH3 with 128 bits, in
//! hexadecimal), and nothing is parsed that differs from its reference.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// A segment as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The file.
    pub name: String,
    /// How many events it holds.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub xxh3: String,
}

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("'{name}' {what}")]
pub struct Damaged {
    /// The file.
    pub name: String,
    /// What is wrong with it, to follow its name.
    pub what: String,
}

impl Damaged {
    /// A file and what is wrong with it.
    pub fn new(name: &str, what: impl Into<String>) -> Damaged {
        Damaged {
            name: name.to_string(),
            what: what.into(),
        }
    }

    /// A file that is not there.
    pub fn missing(name: &str) -> Damaged {
        Damaged::new(name, "is missing")
    }
}

/// The checksum of a file's bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

/// Whether a segment's bytes are those that its manifest names.
pub fn verify(bytes: &[u8], segment: &SegmentRef) -> Result<(), Damaged> {
    verify_bytes(&segment.name, bytes, segment.bytes, &segment.xxh3)
}

/// The same of any file.
pub fn verify_bytes(name: &str, bytes: &[u8], size: u64, xxh3: &str) -> Result<(), Damaged> {
    if bytes.len() as u64 != size {
        let what = format!("has {} bytes where {size} were written", bytes.len());
        return Err(Damaged::new(name, what));
    }
    let found = digest(bytes);
    if found != xxh3 {
        let what = format!("has the checksum {found} where {xxh3} was written");
        return Err(Damaged::new(name, what));
    }
    Ok(())
}
