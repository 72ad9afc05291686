//! The key of all hashes of voters, in a file of its own, apart from the checkpoints.
//!
//! A file comes in, a [`Key`] goes out. Checkpoints have its fingerprint, so that a start under
//! another key is noticed; the key itself is in no checkpoint, no log line, no answer, and is said
//! to no other process. Whoever has it, a checkpoint and a list of possible ids can try them all.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use dataflow::hash::KeyedHash;

use crate::{private, secret};

/// Its name in a data directory.
pub const NAME: &str = "key";

/// The file beside a key with the fingerprint of the one that it was made in the place of.
pub const LOST: &str = "key-lost";

/// The fewest bytes of a key file: with less, a key can be guessed.
const BYTES_MIN: usize = 16;

/// The most, since something larger is another file.
const BYTES_MAX: u64 = 4096;

/// What hashes are made by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 16]);

/// Where the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// Whether one is made at the first start.
    pub is_made: bool,
    /// Whether it is the one in the data directory, which nobody named.
    pub is_default: bool,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there, and checkpoints were made with it.
    #[error(
        "there is no key at '{}', and the checkpoints in {place} were made with one (its \
         fingerprint is {kept}): put it back, or name it with --key FILE; without it, start once \
         with --recount, which counts the log from its beginning under a new key", .path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// Where the checkpoints are.
        place: String,
        /// The fingerprint that they name.
        kept: String,
    },
    /// It is not there, and is to be given.
    #[error(
        "there is no key at '{}': make one with `(umask 077; openssl rand -hex 32 > FILE)`, and give \
         all processes the same file with --key", .path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is another than the one that the checkpoints were made with.
    #[error(
        "the key in '{}' has the fingerprint {found}, and the checkpoints in {place} were made with \
         the one of {kept}: put that one back, or name it with --key FILE; without it, start once \
         with --recount, which counts the log from its beginning under this key", .path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// Where the checkpoints are.
        place: String,
        /// The fingerprint that they name.
        kept: String,
        /// That of the key that is there.
        found: String,
    },
    /// Process 0 has another.
    #[error(
        "the key in '{}' has the fingerprint {found}, and that of process 0 has {first}: give all \
         processes the same key with --key FILE", .path.display()
    )]
    NotShared {
        /// The file.
        path: PathBuf,
        /// That of process 0.
        first: String,
        /// That of the key that is there.
        found: String,
    },
    /// What is there is no key.
    #[error(
        "'{}' is no key, it {what}: put the right one back; if there never was one, delete it, and \
         make another with `(umask 077; openssl rand -hex 32 > FILE)`", .path.display()
    )]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// It cannot be read or made.
    #[error("could not {attempt} the key '{}': check the directory's owner and its disk", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `make`.
        attempt: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("could not make a key: {0}")]
    Random(getrandom::Error),
}

impl Key {
    /// Any text of 16 bytes or more makes a key; white space around it is none of it.
    fn of(text: &[u8]) -> Option<Key> {
        let text = text.trim_ascii();
        let derived = blake3::derive_key("tallyflow 2026 key of hashes", text);
        let (key, _) = derived.split_first_chunk()?;
        (text.len() >= BYTES_MIN).then_some(Key(*key))
    }

    /// The hashes that it makes.
    pub fn hash(self) -> KeyedHash {
        KeyedHash::new(self.0)
    }

    /// The key itself, for the dataflow.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// What tells it from others and gives nothing of it away: 16 hexadecimal digits.
    pub fn fingerprint(self) -> String {
        let derived = blake3::derive_key("tallyflow 2026 fingerprint of a key", &self.0);
        derived[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Debug for Key {
    /// It belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl KeyFile {
    /// The key that checkpoints with this fingerprint were made with.
    pub fn open_for(&self, place: &str, kept: &str) -> Result<Key, KeyError> {
        let key = self.read()?.ok_or_else(|| KeyError::Lost {
            path: self.path.clone(),
            place: place.to_string(),
            kept: kept.to_string(),
        })?;
        let found = key.fingerprint();
        if found != kept {
            return Err(KeyError::Other {
                path: self.path.clone(),
                place: place.to_string(),
                kept: kept.to_string(),
                found,
            });
        }
        Ok(key)
    }

    /// The key for a count from the beginning; made if it is not there and may be.
    pub fn open_or_make(&self) -> Result<Key, KeyError> {
        if let Some(key) = self.read()? {
            return Ok(key);
        }
        if !self.is_made {
            return Err(KeyError::Missing {
                path: self.path.clone(),
            });
        }
        self.make()?;
        // What is there now, in case another process was faster.
        self.read()?.ok_or_else(|| KeyError::Missing {
            path: self.path.clone(),
        })
    }

    /// The key, which must be the one of process 0.
    pub fn open_as(&self, first: &str) -> Result<Key, KeyError> {
        let key = self.read()?.ok_or_else(|| KeyError::Missing {
            path: self.path.clone(),
        })?;
        let found = key.fingerprint();
        if found != first {
            return Err(KeyError::NotShared {
                path: self.path.clone(),
                first: first.to_string(),
                found,
            });
        }
        Ok(key)
    }

    /// Whether the key with a fingerprint is lost: there is none, or one that was made since then in
    /// its place, see [`KeyFile::note_lost`].
    pub fn has_lost(&self, kept: &str) -> Result<bool, KeyError> {
        Ok(match self.read()? {
            None => true,
            Some(key) if key.fingerprint() == kept => false,
            Some(_) => fs::read(self.note()).is_ok_and(|lost| lost.trim_ascii() == kept.as_bytes()),
        })
    }

    /// Notes, before another key is made, that the one with a fingerprint is lost: a start that is
    /// cut short before it has a checkpoint of its own must not look like one with a wrong key.
    pub fn note_lost(&self, kept: &str) -> Result<(), KeyError> {
        let noted = private::put(&self.note(), format!("{kept}\n").as_bytes());
        noted.map_err(|source| self.failed("make", source))
    }

    fn note(&self) -> PathBuf {
        self.path.with_file_name(LOST)
    }

    fn read(&self) -> Result<Option<Key>, KeyError> {
        let failed = |source| self.failed("read", source);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(self.unfit("is no regular file"));
        }
        if self.is_default {
            private::tighten_file(&self.path, &metadata);
        } else if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(path = %self.path.display(), "other users may read the key: chmod 600 it");
        }
        let mut text = Vec::new();
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(self.unfit("has more than 4,096 bytes"));
        }
        match Key::of(&text) {
            Some(key) => Ok(Some(key)),
            None => Err(self.unfit("has fewer than 16 bytes")),
        }
    }

    fn make(&self) -> Result<(), KeyError> {
        let text = secret::random().map_err(KeyError::Random)?;
        private::put_new(&self.path, format!("{text}\n").as_bytes())
            .map_err(|source| self.failed("make", source))?;
        tracing::info!(path = %self.path.display(), "a key for the hashes of voters is made; keep it apart from the checkpoints");
        Ok(())
    }

    fn failed(&self, attempt: &'static str, source: io::Error) -> KeyError {
        KeyError::Io {
            path: self.path.clone(),
            attempt,
            source,
        }
    }

    fn unfit(&self, what: &'static str) -> KeyError {
        KeyError::Unfit {
            path: self.path.clone(),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn key_file(directory: &Path, is_made: bool) -> KeyFile {
        KeyFile {
            path: directory.join("sub").join(NAME),
            is_made,
            is_default: false,
        }
    }

    #[test]
    fn a_key_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let file = key_file(temp.path(), true);
        let key = file.open_or_make().unwrap();
        assert_eq!(file.open_or_make().unwrap(), key);
        assert_eq!(file.open_for("here", &key.fingerprint()).unwrap(), key);
    }

    #[test]
    fn another_key_and_none_are_refused_with_what_to_do() {
        let temp = tempfile::tempdir().unwrap();
        let file = key_file(temp.path(), true);
        let lost = file.open_for("here", "abc").unwrap_err().to_string();
        assert!(lost.contains("--recount") && lost.contains("abc"), "{lost}");
        let given = key_file(temp.path(), false);
        let missing = given.open_or_make().unwrap_err().to_string();
        assert!(missing.contains("openssl"), "{missing}");
        let key = file.open_or_make().unwrap();
        let other = file.open_for("here", "abc").unwrap_err().to_string();
        assert!(other.contains("--recount") && other.contains(&key.fingerprint()));
        let not_shared = file.open_as("abc").unwrap_err().to_string();
        assert!(not_shared.contains("process 0"), "{not_shared}");
        for (text, what) in [
            ("", "fewer"),
            ("short\n", "fewer"),
            (&"x".repeat(5000), "more"),
        ] {
            fs::write(&file.path, text).unwrap();
            let unfit = file.open_or_make().unwrap_err().to_string();
            assert!(
                unfit.contains(what) && unfit.contains("delete it"),
                "{unfit}"
            );
        }
    }

    #[test]
    fn a_lost_key_is_known_to_be_lost_after_another_one_was_made() {
        let temp = tempfile::tempdir().unwrap();
        let file = key_file(temp.path(), true);
        assert!(file.has_lost("abc").unwrap());
        file.note_lost("abc").unwrap();
        let key = file.open_or_make().unwrap();
        assert!(file.has_lost("abc").unwrap());
        assert!(!file.has_lost("abd").unwrap(), "that is another one");
        assert!(!file.has_lost(&key.fingerprint()).unwrap());
    }

    #[test]
    fn a_key_does_not_depend_on_white_space_and_is_never_shown() {
        let key = Key::of(b"0123456789abcdef").unwrap();
        assert_eq!(Key::of(b" 0123456789abcdef\r\n"), Some(key));
        assert_ne!(Key::of(b"0123456789abcdeg"), Some(key));
        assert_eq!(Key::of(b"0123456789abcde\n"), None);
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert_ne!(
            key.fingerprint(),
            Key::of(b"0123456789abcdeg").unwrap().fingerprint()
        );
    }
}
