//! Why a checkpoint could not be committed or loaded, and what its operator can do.

use super::damage::Damaged;
use super::manifest::{FORMAT, Manifest};
use super::place::PlaceError;
use super::segment::SegmentError;

/// Why a checkpoint could not be committed or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The place cannot be read or written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A segment cannot be written or read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A checkpoint of that number is there already, and it is another.
    #[error(
        "could not commit checkpoint {number}: {place} has another of that number, so another \
         server writes there; stop it, or give each a place of its own"
    )]
    Taken {
        /// The number.
        number: u64,
        /// Where.
        place: String,
    },
    /// A newer version wrote the newest checkpoint.
    #[error(
        "could not read '{name}' in {place}: it has format {found} and this version reads format \
         {FORMAT}; start the newer version that wrote it"
    )]
    NewerFormat {
        /// The manifest.
        name: String,
        /// Where.
        place: String,
        /// Its format.
        found: u32,
    },
    /// An older version wrote the newest checkpoint.
    #[error(
        "could not read '{name}' in {place}: it has format {found} and this version reads format \
         {FORMAT}; start once with --recount to count the log from its beginning, which works as \
         long as the log still has all messages, or start the older version that wrote it"
    )]
    OlderFormat {
        /// The manifest.
        name: String,
        /// Where.
        place: String,
        /// Its format.
        found: u32,
    },
    /// There are checkpoints, and not one of them is whole.
    #[error(
        "no checkpoint in {place} is whole ({}), and the log does not begin where they began: \
         restore them from a copy (`tallyflow backup` makes one), or start once with --recount \
         --accept-truncated to count only what the log still has", list(.damaged)
    )]
    NoneWhole {
        /// Where.
        place: String,
        /// Every file that is damaged.
        damaged: Vec<Damaged>,
        /// The newest manifest that can be read, though files that it names cannot.
        newest: Option<Box<Manifest>>,
        /// The number of the checkpoint to write next.
        next_number: u64,
    },
    /// A file of the checkpoint in use was damaged after it was loaded.
    #[error(
        "reading the checkpoint in {place} failed, {damaged}: restart, and the newest checkpoint \
         that is whole is used"
    )]
    Damaged {
        /// Where.
        place: String,
        /// The file.
        damaged: Damaged,
    },
}

/// Damaged files as a sentence's part.
fn list(damaged: &[Damaged]) -> String {
    let each: Vec<String> = damaged.iter().map(Damaged::to_string).collect();
    each.join("; ")
}
