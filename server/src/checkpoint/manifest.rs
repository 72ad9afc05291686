//! Manifests: what a checkpoint is made of, committed as the last of its files.
//!
//! A manifest's file is `{"manifest": {…}, "xxh3": "…"}`, the checksum being that of the bytes of
//! the inner object, so damage to it is seen before anything in it is believed. This outer form
//! is the same for every format.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;
use dataflow::register::Register;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::damage::{Damaged, SegmentRef, digest};
use super::error::CheckpointError;
use super::name::{self, Kind};
use super::place::{Place, PlaceError};
use super::segment::Encoded;
use crate::format::FormatIdentity;

/// The format of manifests, and of the segments that they name. Older ones do not say where in the
/// log a vote was, by which votes are ordered, so they cannot be gone on from.
pub const FORMAT: u32 = 2;

/// What a checkpoint is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Its place among checkpoints; a later one has a higher number.
    pub number: u64,
    /// No tick above it was published when it was written.
    pub tick: u64,
    /// The topic that was counted.
    pub topic: String,
    /// What tells that topic from another of its name.
    pub topic_id: String,
    /// What tells the key of all hashes from others; the key itself is elsewhere.
    pub key_fingerprint: String,
    /// The allowed lateness, in milliseconds, by which rows are late.
    pub lateness_ms: i64,
    /// How messages were read.
    #[serde(default)]
    pub format_of_messages: FormatIdentity,
    /// Up to where each partition is counted.
    pub partitions: Vec<Partition>,
    /// Counts that do not follow from the events.
    pub counts: Counts,
    /// The version of the register in force.
    pub register_version: String,
    /// The register in force.
    pub register: RegisterRef,
    /// The events, oldest run first.
    pub runs: Vec<Run>,
    /// When it was written, for people.
    pub written_at: String,
}

/// A partition of the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its number.
    pub partition: u32,
    /// The first offset that was counted.
    pub first_offset: i64,
    /// The offset after the last one that was counted.
    pub next_offset: i64,
    /// The latest time of its casts, in milliseconds; `None` where there is none.
    pub latest_ms: Option<i64>,
}

/// Counts of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All messages.
    pub messages: u64,
    /// Identical copies of events.
    pub duplicates: u64,
    /// Refused messages, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Distinct casts.
    pub received: u64,
    /// Casts that count.
    pub accepted: u64,
    /// Casts that yield to another of their voter.
    pub superseded: u64,
    /// Casts that a void names.
    pub voided: u64,
    /// Casts that the register does not let count.
    pub set_aside: u64,
    /// Distinct voids.
    pub voids: u64,
}

/// A register's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRef {
    /// The file.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub xxh3: String,
}

/// Events in order: files of disjoint, ascending ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The files, in the order of their ranges.
    pub files: Vec<SegmentRef>,
}

impl Run {
    /// How many events it holds.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// A manifest's file.
#[derive(Serialize, Deserialize)]
struct Envelope {
    manifest: Box<RawValue>,
    xxh3: String,
}

impl Manifest {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let segments = self.segments().map(|file| file.name.as_str());
        segments.chain([self.register.name.as_str()])
    }

    /// The segments that it names.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        self.runs.iter().flat_map(|run| &run.files)
    }

    /// The bytes of its file.
    pub fn encode(&self) -> Bytes {
        let text = serde_json::to_string(self).expect("a manifest is plain data");
        let envelope = Envelope {
            xxh3: digest(text.as_bytes()),
            manifest: RawValue::from_string(text).expect("it was just written"),
        };
        let bytes = serde_json::to_vec(&envelope).expect("a manifest is plain data");
        bytes.into()
    }

    /// Reads the bytes of a manifest's file.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Manifest, Unread> {
        let damaged = |what: String| Unread::Damaged(Damaged::new(name, what));
        let envelope: Envelope = serde_json::from_slice(bytes)
            .map_err(|error| damaged(format!("is no manifest ({error})")))?;
        let text = envelope.manifest.get();
        if digest(text.as_bytes()) != envelope.xxh3 {
            return Err(damaged(
                "does not have the checksum that it names".to_string(),
            ));
        }
        let Format { format } = serde_json::from_str(text)
            .map_err(|error| damaged(format!("has no format ({error})")))?;
        match format.cmp(&FORMAT) {
            Ordering::Less => return Err(Unread::OlderFormat(format)),
            Ordering::Greater => return Err(Unread::NewerFormat(format)),
            Ordering::Equal => {}
        }
        let manifest: Manifest = serde_json::from_str(text)
            .map_err(|error| damaged(format!("is no manifest of format {format} ({error})")))?;
        manifest.check(name).map_err(damaged)?;
        Ok(manifest)
    }

    /// What of it contradicts a log in which every offset has a message.
    pub fn check_gapless(&self) -> Result<(), Damaged> {
        let (messages, offsets) = (i128::from(self.counts.messages), self.offsets());
        if messages == offsets {
            return Ok(());
        }
        let what = format!("counts {messages} messages over {offsets} offsets");
        Err(Damaged::new(&name::manifest(self.number), what))
    }

    /// How many offsets it has counted.
    fn offsets(&self) -> i128 {
        let each = self.partitions.iter();
        each.map(|at| i128::from(at.next_offset) - i128::from(at.first_offset))
            .sum()
    }

    /// Whether its sums agree with each other and with its offsets (laws 3 and 4).
    fn check_sums(&self) -> Result<(), String> {
        let counts = &self.counts;
        let sum = |parts: &[u64]| parts.iter().map(|part| i128::from(*part)).sum::<i128>();
        let refused = counts.refused.values().map(|count| i128::from(*count));
        let outcomes =
            sum(&[counts.received, counts.voids, counts.duplicates]) + refused.sum::<i128>();
        let messages = i128::from(counts.messages);
        if outcomes != messages {
            return Err(format!(
                "counts {messages} messages and {outcomes} outcomes"
            ));
        }
        let states = [
            counts.accepted,
            counts.superseded,
            counts.voided,
            counts.set_aside,
        ];
        let (received, states) = (i128::from(counts.received), sum(&states));
        if received != states {
            return Err(format!("counts {received} casts and {states} states"));
        }
        let is_ordered = |at: &Partition| 0 <= at.first_offset && at.first_offset <= at.next_offset;
        let offsets = self.offsets();
        if messages > offsets || !self.partitions.iter().all(is_ordered) {
            return Err(format!("counts {messages} messages over {offsets} offsets"));
        }
        Ok(())
    }

    /// Whether it is what its name says, and names nothing that is no part of a checkpoint.
    fn check(&self, name: &str) -> Result<(), String> {
        if Kind::of(name) != Some(Kind::Manifest(self.number)) {
            return Err(format!("says that it is number {}", self.number));
        }
        let is_segment = |name: &str| matches!(Kind::of(name), Some(Kind::Segment(_)));
        if let Some(other) = self.segments().find(|file| !is_segment(&file.name)) {
            return Err(format!("names '{}', which is no segment", other.name));
        }
        if Kind::of(&self.register.name) != Some(Kind::Register) {
            return Err(format!(
                "names '{}', which is no register",
                self.register.name
            ));
        }
        self.check_sums()
    }
}

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Why a manifest's bytes are none.
#[derive(Debug)]
pub enum Unread {
    /// They are not what was written.
    Damaged(Damaged),
    /// A newer version wrote them.
    NewerFormat(u32),
    /// A version wrote them that is too old.
    OlderFormat(u32),
}

/// Stores a segment under a name; durable on return.
pub fn put_segment(
    place: &Place,
    name: String,
    segment: Encoded,
) -> Result<SegmentRef, PlaceError> {
    let named = SegmentRef {
        rows: segment.rows,
        bytes: segment.bytes.len() as u64,
        xxh3: digest(&segment.bytes),
        name,
    };
    place.put(&named.name, segment.bytes)?;
    Ok(named)
}

/// Stores a register, of whose voters it has only hashes; durable on return. The same register
/// again is the same file.
pub fn put_register(
    place: &Place,
    register: &Register,
    version: &str,
) -> Result<RegisterRef, PlaceError> {
    assert!(
        register.voters.is_keyed(),
        "no voter's id belongs in a checkpoint"
    );
    let bytes = serde_json::to_vec(register).expect("a register is plain data");
    let xxh3 = digest(&bytes);
    let named = RegisterRef {
        name: name::register(version, &xxh3),
        bytes: bytes.len() as u64,
        xxh3,
    };
    place.put(&named.name, bytes.into())?;
    Ok(named)
}

/// Makes a checkpoint the newest. Every file that it names is durable before, and it is durable
/// on return; after an error it may be there or not, and the same may be committed again.
pub fn commit(place: &Place, manifest: &Manifest) -> Result<(), CheckpointError> {
    let (name, bytes) = (name::manifest(manifest.number), manifest.encode());
    match place.put_new(&name, bytes.clone()) {
        Ok(()) => Ok(()),
        // A request that was repeated may find what its first try wrote.
        Err(PlaceError::Exists { .. }) if place.get(&name)?.as_ref() == Some(&bytes) => Ok(()),
        Err(PlaceError::Exists { .. }) => Err(CheckpointError::Taken {
            number: manifest.number,
            place: place.text().to_string(),
        }),
        Err(error) => Err(error.into()),
    }
}
