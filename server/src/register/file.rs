//! The register from a file. Polls it, since editors replace, truncate and rename in too many ways
//! to follow, and reads it only when it has kept still between two looks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use dataflow::register::Register;

use super::{RegisterError, RegisterSource, parse};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The largest register file: room for tens of millions of voters would want a database.
pub const FILE_BYTES_MAX: u64 = 2 << 30;

/// A register file.
pub struct RegisterFile {
    path: PathBuf,
    read: Option<Stamp>,
    before: Option<Stamp>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl RegisterFile {
    /// A file that is not read yet.
    pub fn new(path: &Path) -> RegisterFile {
        RegisterFile {
            path: path.to_path_buf(),
            read: None,
            before: None,
        }
    }
}

impl RegisterSource for RegisterFile {
    fn name(&self) -> String {
        format!("'{}'", self.path.display())
    }

    fn is_waited_for(&self) -> bool {
        false
    }

    fn read(&mut self, _in_force: &Register) -> Result<Option<Register>, RegisterError> {
        // Before the text: a change while it is read shows as one.
        self.read = stamp(&self.path);
        read(&self.path).map(Some)
    }

    fn wait(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK_EVERY);
            let now = stamp(&self.path);
            let is_still = now == self.before;
            self.before = now;
            if is_still && now != self.read {
                return;
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        modified: metadata.modified().ok(),
        bytes: metadata.len(),
    })
}

/// Reads a register without checking it.
pub fn read(path: &Path) -> Result<Register, RegisterError> {
    let fail = |error| RegisterError::Read {
        path: path.to_path_buf(),
        error,
    };
    let bytes = fs::metadata(path).map_err(fail)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(fail(std::io::Error::other(format!(
            "it has {bytes} bytes; at most {FILE_BYTES_MAX} are read"
        ))));
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    parse::parse(path, &text)
}
