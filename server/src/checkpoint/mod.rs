//! Checkpoints: the log without what does not matter any more, in files that others read too.
//!
//! Comes in from the counting threads as kept events, goes out as Parquet segments and one
//! manifest a checkpoint, in a directory or an object store; at a start it comes back the same
//! way. Knows no dataflow, no clock and no log: when a checkpoint is made, and what of it is
//! taken back, somebody else decides.
//!
//! ```text
//!  Kept ── segment/write ──▶ segment files ──┬─▶ segment/read ── Kept
//!                                  ▲         │
//!                                merge ◀─────┤     place/  directory, S3
//!                                            │
//!  Manifest ── manifest ──▶ manifest file ───┴─▶ load ── Manifest, Register
//!                                  ▲
//!                              retention: what no kept manifest names goes
//! ```
//!
//! Invariant: a manifest is the last file of its checkpoint to be written, and names every other
//! with its size and checksum. What no manifest names is not part of any checkpoint, so a crash
//! between any two steps leaves the checkpoint before, whole.
//! Invariant: bytes are compared with their checksum before anything parses them.
//! Non-guarantee: checksums find damage, not forgery; whoever may write into the place may change
//! the counts.

pub use damage::{Damaged, SegmentRef};
pub use error::CheckpointError;
pub use examine::{copy, examine, examine_newest};
pub use load::{LoadOptions, Loaded, load, load_number, next_number, read_segment};
pub use manifest::{
    Counts, FORMAT, Manifest, Partition, RegisterRef, Run, commit, put_register, put_segment,
};
pub use merge::{MergeError, Merger, plan};
pub use name::FileNames;
#[cfg(test)]
pub use place::Store;
pub use place::{Lock, Place, PlaceError, check_scheme, is_file_of_place};
pub use retention::{Keep, sweep};
pub use segment::{Segment, write_files};

mod damage;
mod error;
mod examine;
mod load;
mod manifest;
mod merge;
mod name;
mod place;
mod retention;
mod segment;
#[cfg(test)]
mod tests;
