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

impl Place {
    /// Opens `s3://bucket/prefix`, or a directory, which is made if it is not there.
    ///
    /// For S3 the environment has the rest: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_REGION`, and for other servers than Amazon's `AWS_ENDPOINT_URL` and `AWS_ALLOW_HTTP`.
    pub fn open(text: &str, runtime: Handle) -> Result<Place, PlaceError> {
        let store: Arc<dyn Store> = if text.starts_with("s3://") {
            Arc::new(objects::Objects::s3(text, runtime)?)
        } else {
            Arc::new(directory::Directory::open(Path::new(text))?)
        };
        Ok(Place::new(text, store))
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
