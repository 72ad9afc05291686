//! The register from a file. Polls it, since editors replace, truncate and rename in too many ways
//! to follow, and reads it only when it rests: when two looks some time apart see the same.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use dataflow::hash::KeyedHash;
use dataflow::register::{Register, thousands};

use super::reading::{Read, Reading};
use super::{RegisterError, RegisterSource, parse};

/// How often the file is looked at, and how far two looks that see it rest are apart.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a file that grows and grows is waited for in one go.
const REST_WAIT_MAX: Duration = Duration::from_secs(10);

/// The largest register file: room for some ten million voters. It is held in memory while it is
/// read; longer rolls want a database.
pub const FILE_BYTES_MAX: u64 = 2 << 30;

/// A register file.
pub struct RegisterFile {
    path: PathBuf,
    hash: KeyedHash,
    read: Option<Stamp>,
    before: Option<Stamp>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    /// Another file of the same name may have the time of the one before.
    inode: (u64, u64),
    bytes: u64,
    is_file: bool,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            modified: metadata.modified().ok(),
            inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            is_file: metadata.is_file(),
        }
    }
}

impl RegisterFile {
    /// A file that is not read yet; its voters are hashed under this key.
    pub fn new(path: &Path, hash: KeyedHash) -> RegisterFile {
        RegisterFile {
            path: path.to_path_buf(),
            hash,
            read: None,
            before: None,
        }
    }
}

impl RegisterSource for RegisterFile {
    fn name(&self) -> String {
        format!("'{}'", self.path.display())
    }

    fn public_name(&self) -> &'static str {
        "in a file"
    }

    fn is_waited_for(&self) -> bool {
        false
    }

    fn read(&mut self, _in_force: &Register) -> Result<Option<Register>, RegisterError> {
        // Before the text: a change while it is read shows as one.
        self.read = stamp(&self.path);
        let read = read(&self.path, Reading::new(self.hash))?;
        Ok(Some(read.register))
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
    fs::metadata(path).ok().as_ref().map(Stamp::of)
}

/// Reads a register from a file, and checks it by itself.
pub(super) fn read(path: &Path, reading: Reading) -> Result<Read, RegisterError> {
    let bytes = bytes_at_rest(path).map_err(|error| RegisterError::Read {
        path: path.to_path_buf(),
        error,
    })?;
    let from = || format!("'{}'", path.display());
    parse::parse(path, &bytes, reading).map_err(|wrong| RegisterError::wrong(from(), wrong))
}

/// The bytes of a file that nobody writes to meanwhile.
fn bytes_at_rest(path: &Path) -> io::Result<Vec<u8>> {
    let began = Instant::now();
    let mut before = Stamp::of(&open(path)?.metadata()?);
    if !rested(&before) {
        thread::sleep(LOOK_EVERY);
    }
    loop {
        // By its name: another may have taken its place, which is how it should be done.
        let mut file = open(path)?;
        let now = Stamp::of(&file.metadata()?);
        if now == before {
            let bytes = bytes(&mut file)?;
            if Stamp::of(&file.metadata()?) == before {
                return Ok(bytes);
            }
        }
        if began.elapsed() > REST_WAIT_MAX {
            return Err(io::Error::other(
                "it is still being written to; write another file beside it and rename that into \
                 its place",
            ));
        }
        before = now;
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether a state is older than two looks are apart; a clock that disagrees only costs a look.
fn rested(stamp: &Stamp) -> bool {
    let age = stamp.modified.and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > LOOK_EVERY)
}

/// Opens what is a file, without waiting for anybody: the other end of a pipe may never come.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(libc::O_NONBLOCK);
    // A socket cannot be opened at all, and says so in words of its own.
    let kind = fs::metadata(path)?.file_type();
    let kind = if kind.is_file() {
        let file = options.open(path)?;
        let opened = file.metadata()?.file_type();
        if opened.is_file() {
            return Ok(file);
        }
        opened
    } else {
        kind
    };
    let words = match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe (FIFO)",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "no file",
    };
    Err(io::Error::other(format!(
        "it is {words}; a register is a regular file, which can be read again"
    )))
}

fn bytes(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= FILE_BYTES_MAX {
        bytes.reserve_exact(length as usize);
        // What is no file of a disk may have more than it says.
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    }
    if length.max(bytes.len() as u64) > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it has more than {} bytes; keep so long a register in a database",
            thousands(FILE_BYTES_MAX as usize)
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
