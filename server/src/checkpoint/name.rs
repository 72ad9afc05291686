//! The names of a checkpoint's files: made here, and known again here.
//!
//! Retention deletes and a manifest may name only what this room knows, so a stray file beside
//! the checkpoints is never touched and no manifest leads out of the place.

use std::sync::atomic::{AtomicU64, Ordering};

/// Digits of a checkpoint's number in names: every `u64`, in the order of the names.
const NUMBER_DIGITS: usize = 20;

/// What a file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A manifest, by its checkpoint's number.
    Manifest(u64),
    /// Events, by the number of the checkpoint that wrote or merged them.
    Segment(u64),
    /// A register.
    Register,
}

impl Kind {
    /// What a file of that name is; `None` for one that is not a checkpoint's.
    pub fn of(name: &str) -> Option<Kind> {
        let (stem, ending) = name.rsplit_once('.')?;
        let (kind, rest) = stem.split_once('-')?;
        match (kind, ending) {
            ("manifest", "json") => number(rest).map(Kind::Manifest),
            ("segment" | "merged", "parquet") => {
                let (checkpoint, rest) = rest.split_once('-')?;
                let (process, counter) = rest.split_once('-')?;
                let numbers = is_decimal(process) && is_decimal(counter);
                number(checkpoint).filter(|_| numbers).map(Kind::Segment)
            }
            ("register", "json") => {
                let (version, checksum) = rest.split_once('-')?;
                (is_hex(version) && is_hex(checksum)).then_some(Kind::Register)
            }
            _ => None,
        }
    }

    /// The number of the checkpoint that wrote it, where the name says so.
    pub fn number(self) -> Option<u64> {
        match self {
            Kind::Manifest(number) | Kind::Segment(number) => Some(number),
            Kind::Register => None,
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    (digits.len() == NUMBER_DIGITS && is_decimal(digits)).then(|| digits.parse().ok())?
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of a checkpoint's manifest.
pub fn manifest(number: u64) -> String {
    format!("manifest-{number:0NUMBER_DIGITS$}.json")
}

/// The name of a register's file: its version, and its bytes' checksum, since two registers of
/// one version may list their rows in another order.
pub fn register(version: &str, xxh3: &str) -> String {
    format!("register-{version}-{xxh3}.json")
}

/// Gives the names of one process's segments, each once.
///
/// Invariant: names are unique over restarts, as long as a process counts its checkpoints from
/// [`Loaded::next_number`](super::Loaded::next_number) on.
#[derive(Debug)]
pub struct FileNames {
    process: usize,
    given: AtomicU64,
}

impl FileNames {
    /// The names of the process with this number.
    pub fn new(process: usize) -> FileNames {
        FileNames {
            process,
            given: AtomicU64::new(0),
        }
    }

    /// A name for events that are new in a checkpoint.
    pub fn segment(&self, checkpoint: u64) -> String {
        self.name("segment", checkpoint)
    }

    /// A name for events that were merged while that checkpoint was the next.
    pub fn merged(&self, checkpoint: u64) -> String {
        self.name("merged", checkpoint)
    }

    fn name(&self, kind: &str, checkpoint: u64) -> String {
        let process = self.process;
        let counter = self.given.fetch_add(1, Ordering::Relaxed);
        format!("{kind}-{checkpoint:0NUMBER_DIGITS$}-{process}-{counter}.parquet")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_made_is_known_again() {
        let names = FileNames::new(3);
        assert_eq!(Kind::of(&names.segment(7)), Some(Kind::Segment(7)));
        assert_eq!(
            Kind::of(&names.merged(u64::MAX)),
            Some(Kind::Segment(u64::MAX))
        );
        assert_ne!(names.merged(7), names.merged(7));
        assert_eq!(Kind::of(&manifest(0)), Some(Kind::Manifest(0)));
        let name = register("0123456789abcdef", "00ff");
        assert_eq!(Kind::of(&name), Some(Kind::Register));
    }

    #[test]
    fn no_other_name_is_ours() {
        let others = [
            "",
            "manifest.json",
            "manifest-1.json",
            "manifest-00000000000000000001.json.bak",
            "manifest-99999999999999999999.json",
            "manifest-+0000000000000000001.json",
            "segment-00000000000000000001.parquet",
            "segment-00000000000000000001-0.parquet",
            "segment-00000000000000000001-0-.parquet",
            "segment-00000000000000000001-0-1.csv",
            "segment-00000000000000000001-0-../../etc/passwd.parquet",
            "register-latest.json",
            "register-0a-0b.json.zst",
            "register-../0a-0b.json",
            ".tmp-manifest-00000000000000000001.json",
        ];
        for name in others {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}
