//! What can go wrong with a place, and what its operator can do about it.
//!
//! Credentials are in no message: they come from the environment, and neither a request's headers
//! nor its signature are repeated here.

use std::error::Error;

/// The error underneath.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a place could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Another server holds the directory.
    #[error(
        "the checkpoints in '{place}' are in use by another server: stop that one, or name \
         another place"
    )]
    InUse {
        /// The directory.
        place: String,
    },
    /// The text names no place.
    #[error(
        "could not use '{text}' for checkpoints ({why}): name a directory or s3://BUCKET/PREFIX"
    )]
    NoPlace {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bucket is not there.
    #[cfg(feature = "s3")]
    #[error("could not {attempt} in '{place}': there is no such bucket; make it, or name another")]
    NoBucket {
        /// What was attempted.
        attempt: String,
        /// The place.
        place: String,
    },
    /// A file of that name is there.
    #[error("could not write '{name}' in '{place}': it is there already")]
    Exists {
        /// The file.
        name: String,
        /// The place.
        place: String,
    },
    /// The disk, or a quota, is full.
    #[error(
        "could not {attempt} in '{place}': its disk is full or its quota is used up; make space, \
         and the next checkpoint is written"
    )]
    Full {
        /// What was attempted.
        attempt: String,
        /// The place.
        place: String,
    },
    /// The place does not let us.
    #[error(
        "could not {attempt} in '{place}': permission is denied; let this user, or these \
         credentials, list, read, write and delete there"
    )]
    Denied {
        /// What was attempted.
        attempt: String,
        /// The place.
        place: String,
        /// What failed.
        source: Cause,
    },
    /// Anything else.
    #[error(
        "could not {attempt} in '{place}': check that its disk, or the way to its object store, \
         is sound"
    )]
    Failed {
        /// What was attempted.
        attempt: String,
        /// The place.
        place: String,
        /// What failed.
        source: Cause,
    },
}
