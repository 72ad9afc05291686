//! A place that is a directory.
//!
//! A file is written under a name that nobody lists, synced, moved to its own name, and the
//! directory is synced: after a crash or a power cut it is there whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::super::name::Kind;
use super::{PlaceError, Store};
use crate::private;

/// The file that a server holds locked.
const LOCK: &str = ".lock";

/// How the names of unfinished files begin.
const UNFINISHED: &str = ".unfinished-";

/// Whether a name in a directory is that of a file which this service writes there.
pub fn is_file_of_place(name: &str) -> bool {
    let others = [LOCK, "run", "tick-ceiling", "tick-ceiling-copy"];
    Kind::of(name).is_some() || others.contains(&name) || name.starts_with(UNFINISHED)
}

/// See the module.
pub struct Directory {
    path: PathBuf,
    written: AtomicU64,
}

/// The right to write into a place; gives it up when dropped, or when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// The lock of a place that has none.
    #[cfg(feature = "s3")]
    pub fn none() -> Lock {
        Lock { _file: None }
    }
}

impl Directory {
    /// Opens a directory, and makes it if it is not there.
    pub fn open(path: &Path) -> Result<Directory, PlaceError> {
        let directory = Directory {
            path: path.to_path_buf(),
            written: AtomicU64::new(0),
        };
        if path.as_os_str().is_empty() {
            return Err(PlaceError::NoPlace {
                text: String::new(),
                why: "it is empty".to_string(),
            });
        }
        private::make_directory(path)
            .map_err(|error| directory.error("make the directory", error))?;
        Ok(directory)
    }

    /// Writes under an unfinished name, then gives the file its own by `publish`.
    fn write(
        &self,
        name: &str,
        bytes: &[u8],
        publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let counter = self.written.fetch_add(1, Ordering::Relaxed);
        let process = process::id();
        let unfinished = self
            .path
            .join(format!("{UNFINISHED}{name}-{process}-{counter}"));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&unfinished)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .and_then(|()| publish(&unfinished, &self.path.join(name)))
            .and_then(|()| self.sync());
        if written.is_err() {
            // It may hold the very bytes that fill the disk. One that stays goes at the next lock.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn error(&self, attempt: impl Into<String>, error: io::Error) -> PlaceError {
        let (attempt, place) = (attempt.into(), self.path.display().to_string());
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                PlaceError::Full { attempt, place }
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => PlaceError::Denied {
                attempt,
                place,
                source: error.into(),
            },
            _ => PlaceError::Failed {
                attempt,
                place,
                source: error.into(),
            },
        }
    }
}

impl Store for Directory {
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.write(name, &bytes, |from, to| fs::rename(from, to))
            .map_err(|error| self.error(format!("write '{name}'"), error))
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        let written = self.write(name, &bytes, |from, to| {
            // A link, unlike a rename, fails if the name is taken.
            fs::hard_link(from, to).or_else(|error| {
                // What an earlier try has left may be taken for its success, so it is durable too.
                self.sync()?;
                Err(error)
            })?;
            fs::remove_file(from)
        });
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => PlaceError::Exists {
                name: name.to_string(),
                place: self.path.display().to_string(),
            },
            _ => self.error(format!("write '{name}'"), error),
        })
    }

    fn overwrite(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        let overwrite = || {
            let mut file = OpenOptions::new().write(true).open(self.path.join(name))?;
            if file.metadata()?.len() != bytes.len() as u64 {
                return Err(ErrorKind::StorageFull.into());
            }
            file.write_all(&bytes)?;
            file.sync_all()
        };
        overwrite().map_err(|error| self.error(format!("write over '{name}'"), error))
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, PlaceError> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(format!("read '{name}'"), error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PlaceError> {
        let entries = || {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                // A name that is no UTF-8 is not ours.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if name.starts_with('.') || !name.starts_with(prefix) {
                    continue;
                }
                match entry.metadata() {
                    Ok(metadata) if metadata.is_file() => found.push((name, metadata.len())),
                    Ok(_) => {}
                    // Deleted meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            found.sort_unstable();
            Ok(found)
        };
        entries().map_err(|error| self.error("list the files", error))
    }

    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        match fs::remove_file(self.path.join(name)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.error(format!("delete '{name}'"), error)),
        }
    }

    fn lock(&self) -> Result<Lock, PlaceError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.join(LOCK))
            .map_err(|error| self.error("lock the directory", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PlaceError::InUse {
                    place: self.path.display().to_string(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(self.error("lock the directory", error));
            }
        }
        self.remove_unfinished()
            .map_err(|error| self.error("remove unfinished files", error))?;
        Ok(Lock { _file: Some(file) })
    }
}
