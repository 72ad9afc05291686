//! Where checkpoints are: a directory, or a bucket of an object store.
//!
//! Whole files by name, in one flat list: what is put is there whole and durable when the call
//! returns, or it is not there. Nothing is ever changed in place. Knows nothing of what the files
//! hold.
//!
//! Calls block, and those to an object store wait for the runtime: they are for plain threads,
//! never for a task of that runtime, where they would panic.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

pub use directory::{Lock, is_file_of_place};
pub use error::PlaceError;

mod directory;
mod error;
#[cfg(feature = "s3")]
mod objects;
#[cfg(test)]
mod tests;

/// What a place must be able to do; names hold no `/` and do not begin with a dot.
pub trait Store: Send + Sync {
    /// Stores a file whole, in the place of one of that name.
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError>;
    /// The same, but fails with [`PlaceError::Exists`] if there is one of that name.
    fn put_new(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError>;
    /// Writes over a file of the same size, in its place, so that it takes no space: a crash
    /// meanwhile may leave it damaged. Fails where that cannot be done.
    fn overwrite(&self, name: &str, _bytes: Bytes) -> Result<(), PlaceError> {
        Err(PlaceError::Full {
            attempt: format!("write '{name}'"),
            place: "a place that overwrites nothing".to_string(),
        })
    }
    /// A file's bytes, if it is there.
    fn get(&self, name: &str) -> Result<Option<Bytes>, PlaceError>;
    /// The names that begin so, with their sizes in bytes, sorted.
    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PlaceError>;
    /// Deletes a file; one that is not there is deleted.
    fn delete(&self, name: &str) -> Result<(), PlaceError>;
    /// Keeps a second server out, where that can be done.
    fn lock(&self) -> Result<Lock, PlaceError>;
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Place {
    text: Arc<str>,
    store: Arc<dyn Store>,
}

/// How the address of a place in S3 begins.
const S3: &str = "s3://";

/// Refuses an address that only looks like a directory's name: nobody means one called `gs:`.
pub fn check_scheme(text: &str) -> Result<(), PlaceError> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
    };
    match text.split_once(":/") {
        Some((scheme, _)) if is_scheme(scheme) && !text.starts_with(S3) => {
            Err(PlaceError::NoPlace {
                text: text.to_string(),
                why: format!("'{scheme}:' is no kind of place"),
            })
        }
        _ => Ok(()),
    }
}

impl Place {
    /// Opens `s3://bucket/prefix`, or a directory, which is made if it is not there.
    ///
    /// For S3 the environment has the rest: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_REGION`, and for other servers than Amazon's `AWS_ENDPOINT_URL` and `AWS_ALLOW_HTTP`.
    pub fn open(text: &str, runtime: Handle) -> Result<Place, PlaceError> {
        check_scheme(text)?;
        if text.starts_with(S3) {
            return Place::open_s3(text, runtime);
        }
        let directory = directory::Directory::open(Path::new(text))?;
        Ok(Place::new(text, Arc::new(directory)))
    }

    #[cfg(feature = "s3")]
    fn open_s3(text: &str, runtime: Handle) -> Result<Place, PlaceError> {
        let objects = objects::Objects::s3(text, runtime)?;
        Ok(Place::new(text, Arc::new(objects)))
    }

    #[cfg(not(feature = "s3"))]
    fn open_s3(text: &str, _: Handle) -> Result<Place, PlaceError> {
        Err(PlaceError::NoPlace {
            text: text.to_string(),
            why: "this build knows no S3: take the image, or build with `--features s3`"
                .to_string(),
        })
    }

    /// A place over any store; `text` names it in messages.
    pub fn new(text: &str, store: Arc<dyn Store>) -> Place {
        Place {
            text: text.into(),
            store,
        }
    }

    /// What it was opened as.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// See [`Store::put`].
    pub fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.store.put(name, bytes)
    }

    /// See [`Store::put_new`].
    pub fn put_new(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.store.put_new(name, bytes)
    }

    /// See [`Store::overwrite`].
    pub fn overwrite(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.store.overwrite(name, bytes)
    }

    /// See [`Store::get`].
    pub fn get(&self, name: &str) -> Result<Option<Bytes>, PlaceError> {
        self.store.get(name)
    }

    /// See [`Store::list`].
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PlaceError> {
        self.store.list(prefix)
    }

    /// See [`Store::delete`].
    pub fn delete(&self, name: &str) -> Result<(), PlaceError> {
        self.store.delete(name)
    }

    /// Keeps a second server out of a directory for as long as the lock is held, and removes what
    /// unfinished writes left there. One process of several holds it, before the others write.
    ///
    /// Non-guarantee: an object store has no lock. There a second server is noticed when both
    /// commit a checkpoint of one number ([`Store::put_new`]).
    pub fn lock(&self) -> Result<Lock, PlaceError> {
        self.store.lock()
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Place").field(&self.text).finish()
    }
}
