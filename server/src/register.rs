//! The register from a file, followed while it changes: a path in, checked registers out.
//!
//! Each is taken over whole or refused whole, with every problem named; the last good one stays.
//! Polls the file, since editors replace, truncate and rename in too many ways to follow, and
//! reads it only when it has kept still between two looks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use dataflow::register::{Problem, Register, RegisterChange};

mod parse;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The largest register file: room for tens of millions of voters would want a database.
pub const FILE_BYTES_MAX: u64 = 2 << 30;

/// Why a register is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The file cannot be read.
    #[error("could not read the register '{}': {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is of no known form.
    #[error("could not read the register '{}': {reason}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// It may not come in force.
    #[error("the register '{}' is refused: {}", .path.display(), list(.problems))]
    Refused {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    texts.join("; ")
}

/// The last reason for which a register was not taken over, until one is.
#[derive(Clone, Debug, Default)]
pub struct LastError(Arc<Mutex<Option<String>>>);

impl LastError {
    /// The reason, if the register that was seen last is not in force.
    pub fn get(&self) -> Option<String> {
        self.lock().clone()
    }

    fn set(&self, error: Option<String>) {
        *self.lock() = error;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // A text is whole whoever panicked while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A register file.
pub struct RegisterFile {
    path: PathBuf,
    change: RegisterChange,
    in_force: Arc<Register>,
    seen: Option<Stamp>,
    last_error: LastError,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl RegisterFile {
    /// Reads the file at the start. If it cannot be used and there is one that was in force
    /// before, that one is; else the error is final. `last_good` is the one with which the votes
    /// so far were counted; without one they are counted from the log anew, so the register may
    /// be any.
    pub fn open(
        path: &Path,
        last_good: Option<Arc<Register>>,
        change: RegisterChange,
    ) -> Result<Self, RegisterError> {
        let last_error = LastError::default();
        let seen = stamp(path);
        let none = Arc::default();
        let before = last_good.as_ref().unwrap_or(&none);
        let first = RegisterChange {
            recounted: last_good.is_none(),
            ..change
        };
        let read = read(path).and_then(|register| accept(path, register, before, first));
        let in_force = match (read, last_good) {
            (Ok(register), _) => Arc::new(register),
            (Err(error), Some(last_good)) => {
                tracing::error!(%error, "counting goes on with the register that was in force last");
                last_error.set(Some(error.to_string()));
                last_good
            }
            (Err(error), None) => return Err(error),
        };
        Ok(RegisterFile {
            path: path.to_path_buf(),
            change,
            in_force,
            seen,
            last_error,
        })
    }

    /// The register in force.
    pub fn in_force(&self) -> Arc<Register> {
        Arc::clone(&self.in_force)
    }

    /// The last reason for which a register was not taken over.
    pub fn last_error(&self) -> LastError {
        self.last_error.clone()
    }

    /// Follows the file until `stop`, on a thread of its own; hands over each register that comes
    /// in force.
    pub fn follow(
        mut self,
        stop: Arc<AtomicBool>,
        hand_over: impl Fn(Arc<Register>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let follow = move || {
            let mut before = self.seen;
            while !stop.load(Ordering::Relaxed) {
                thread::park_timeout(LOOK_EVERY);
                let now = stamp(&self.path);
                let still = now == before;
                before = now;
                if still && now != self.seen {
                    self.seen = now;
                    self.look(&hand_over);
                }
            }
        };
        thread::Builder::new()
            .name("register".to_string())
            .spawn(follow)
    }

    fn look(&mut self, hand_over: &impl Fn(Arc<Register>)) {
        let read = read(&self.path)
            .and_then(|register| accept(&self.path, register, &self.in_force, self.change));
        match read {
            Ok(register) => {
                self.last_error.set(None);
                if register == *self.in_force {
                    return;
                }
                self.in_force = Arc::new(register);
                tracing::info!(
                    version = self.in_force.version(),
                    "a new register is in force"
                );
                hand_over(self.in_force());
            }
            Err(error) => {
                tracing::error!(%error, "the last good register stays in force");
                self.last_error.set(Some(error.to_string()));
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
    let fail = |source| RegisterError::Read {
        path: path.to_path_buf(),
        source,
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

fn accept(
    path: &Path,
    register: Register,
    in_force: &Register,
    change: RegisterChange,
) -> Result<Register, RegisterError> {
    let mut problems = register.check();
    if problems.is_empty() {
        problems = register.check_against(in_force, change);
    }
    if problems.is_empty() {
        Ok(register)
    } else {
        Err(RegisterError::Refused {
            path: path.to_path_buf(),
            problems,
        })
    }
}
