//! A place that is a bucket of an object store, or a part of one.
//!
//! An object is whole and durable once its request is answered. Requests are repeated by the
//! library with growing pauses, for [`RETRY_TIME_MAX`] at most.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, RetryConfig};
use tokio::runtime::Handle;

use super::error::Cause;
use super::{Lock, PlaceError, Store};

/// How long a request is repeated: longer than a store's usual hiccups, shorter than an
/// operator's patience with a start that fails.
const RETRY_TIME_MAX: Duration = Duration::from_secs(30);

/// How often a request is repeated.
const RETRIES_MAX: usize = 5;

/// See the module.
pub struct Objects {
    text: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
}

impl Objects {
    /// Opens `s3://bucket/prefix` and asks for its list, so that what is wrong shows now.
    pub fn s3(text: &str, runtime: Handle) -> Result<Objects, PlaceError> {
        let no_place = |why: String| PlaceError::NoPlace {
            text: text.to_string(),
            why,
        };
        let rest = text.strip_prefix("s3://").unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(no_place("it names no bucket".to_string()));
        }
        let prefix = Path::parse(prefix.trim_end_matches('/'))
            .map_err(|error| no_place(error.to_string()))?;
        let retry = RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIME_MAX,
            ..RetryConfig::default()
        };
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retry)
            .build()
            .map_err(|error| no_place(error.to_string()))?;
        let objects = Objects::new(text, Arc::new(store), prefix, runtime);
        objects.list("")?;
        Ok(objects)
    }

    /// Any object store.
    pub fn new(text: &str, store: Arc<dyn ObjectStore>, prefix: Path, runtime: Handle) -> Objects {
        Objects {
            text: text.to_string(),
            store,
            prefix,
            runtime,
        }
    }

    fn put_as(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<(), PlaceError> {
        let (path, payload) = (self.prefix.clone().join(name), PutPayload::from(bytes));
        self.runtime
            .block_on(self.store.put_opts(&path, payload, mode.into()))
            .map(|_| ())
            .map_err(|error| match error {
                Error::AlreadyExists { .. } => PlaceError::Exists {
                    name: name.to_string(),
                    place: self.text.clone(),
                },
                error => self.error(format!("write '{name}'"), error),
            })
    }

    fn error(&self, attempt: impl Into<String>, error: Error) -> PlaceError {
        let (attempt, place) = (attempt.into(), self.text.clone());
        let source = cause(&error);
        // Of lists the library does not tell these cases apart, but it shows the answer.
        let says = |words: &str| source.to_string().contains(words);
        match error {
            // Of a single object nobody asks that it be there, so it is the bucket that is not.
            Error::NotFound { .. } => PlaceError::NoBucket { attempt, place },
            _ if says("NoSuchBucket") => PlaceError::NoBucket { attempt, place },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => PlaceError::Denied {
                attempt,
                place,
                source,
            },
            _ if says("403 Forbidden") || says("401 Unauthorized") => PlaceError::Denied {
                attempt,
                place,
                source,
            },
            _ => PlaceError::Failed {
                attempt,
                place,
                source,
            },
        }
    }
}

/// The variables that a store's answer may repeat, in part or whole.
const SECRETS: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// What failed, as text without credentials: answers of stores repeat what was signed.
fn cause(error: &Error) -> Cause {
    let mut text = error.to_string();
    for name in SECRETS {
        if let Ok(secret) = std::env::var(name)
            && !secret.is_empty()
        {
            text = text.replace(&secret, "***");
        }
    }
    text.into()
}

impl Store for Objects {
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.put_as(name, bytes, PutMode::Overwrite)
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.put_as(name, bytes, PutMode::Create)
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, PlaceError> {
        let path = self.prefix.clone().join(name);
        let read = async { self.store.get(&path).await?.bytes().await };
        match self.runtime.block_on(read) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(format!("read '{name}'"), error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PlaceError> {
        let listed: Vec<_> = self
            .runtime
            .block_on(self.store.list(Some(&self.prefix)).try_collect())
            .map_err(|error| self.error("list the files", error))?;
        let mut found: Vec<(String, u64)> = listed
            .into_iter()
            .filter_map(|object| {
                // Below the prefix there may be others' folders; ours are files of it alone.
                let mut parts = object.location.prefix_match(&self.prefix)?;
                let name = parts.next()?.as_ref().to_string();
                let ours = parts.next().is_none() && name.starts_with(prefix);
                ours.then_some((name, object.size))
            })
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        let path = self.prefix.clone().join(name);
        match self.runtime.block_on(self.store.delete(&path)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(format!("delete '{name}'"), error)),
        }
    }

    fn lock(&self) -> Result<Lock, PlaceError> {
        Ok(Lock::none())
    }
}
