//! What the process says on standard output and standard error, without ever waiting for it.
//!
//! ```text
//!  log lines, panics, last words ──▶ Lines, bounded ── a thread ──▶ standard error
//!  where it listens ───────────────▶ Lines, bounded ── a thread ──▶ standard output
//! ```
//!
//! A reader that is gone, a full disk, or a pipe that nobody empties costs lines, which are
//! counted and said once lines can be written again. It never ends the process, and never makes
//! a thread wait that counts or serves.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metrics::counter;

/// How much may wait to be written: some thousands of lines. Of more, the newest are lost.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// How long the end of the process waits for what is not written yet.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// How long a stream that its owner has set to not block is left alone while it is full.
const FULL_REST: Duration = Duration::from_millis(20);

static STDOUT: Lines = Lines::new();
static STDERR: Lines = Lines::new();

/// Says something on standard output, in a line.
pub fn announce(text: &str) {
    let open = || io::stdout().as_fd().try_clone_to_owned();
    STDOUT.put(line(text).as_bytes(), || open().map(File::from));
}

/// Says something on standard error, in a line.
pub fn say(text: &str) {
    // Taken whole, or lost and counted.
    let _ = Stderr.write(line(text).as_bytes());
}

/// Prints what was asked for; waits for its reader, and one that has seen enough, such as `head`,
/// is no failure.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Waits, for a moment, until everything is written.
pub fn flush() {
    STDOUT.flush();
    STDERR.flush();
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

/// Standard error, for whoever writes whole lines. Never fails.
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = || io::stderr().as_fd().try_clone_to_owned();
        STDERR.put(bytes, || open().map(File::from));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines on their way to a stream.
struct Lines {
    waiting: Mutex<Waiting>,
    /// Rung when there is something to write, and when something was written.
    changed: Condvar,
    /// Whether a thread writes them.
    started: OnceLock<bool>,
}

struct Waiting {
    bytes: Vec<u8>,
    /// Whether the thread is writing what it took.
    writes: bool,
    /// Lines that were lost since this was said last.
    lost: u64,
}

impl Lines {
    const fn new() -> Lines {
        Lines {
            waiting: Mutex::new(Waiting {
                bytes: Vec::new(),
                writes: false,
                lost: 0,
            }),
            changed: Condvar::new(),
            started: OnceLock::new(),
        }
    }

    /// Takes lines; `open` gives the stream the first time.
    fn put(&'static self, bytes: &[u8], open: impl Fn() -> io::Result<File>) {
        let start = || {
            let Ok(stream) = open() else {
                return false;
            };
            let thread = thread::Builder::new().name("output".to_string());
            thread.spawn(move || self.write_on(stream)).is_ok()
        };
        let mut waiting = self.lock();
        let has_room = waiting.bytes.len() + bytes.len() <= WAITING_BYTES_MAX;
        if has_room && *self.started.get_or_init(start) {
            waiting.bytes.extend_from_slice(bytes);
            self.changed.notify_all();
        } else {
            waiting.lose(bytes);
        }
    }

    /// Writes for ever what comes.
    fn write_on(&self, mut stream: File) {
        let mut in_a_line = false;
        loop {
            let mut bytes = self.take();
            if in_a_line {
                bytes.insert(0, b'\n');
            }
            let written = write(&mut stream, &bytes);
            in_a_line = match written {
                0 => in_a_line,
                written => bytes[written - 1] != b'\n',
            };
            let lost = self.written(&bytes[written..]);
            if lost > 0 {
                tracing::warn!(
                    lines = lost,
                    "lines of this log are lost, since they could not be written"
                );
            }
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        while waiting.bytes.is_empty() {
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.writes = true;
        std::mem::take(&mut waiting.bytes)
    }

    /// Notes what was not written of what was taken. Gives how many lines are lost, once lines can
    /// be written again.
    fn written(&self, rest: &[u8]) -> u64 {
        let mut waiting = self.lock();
        waiting.writes = false;
        self.changed.notify_all();
        if rest.is_empty() {
            return std::mem::take(&mut waiting.lost);
        }
        waiting.lose(rest);
        0
    }

    fn flush(&self) {
        let deadline = Instant::now() + FLUSH_MAX;
        let mut waiting = self.lock();
        while waiting.writes || !waiting.bytes.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Bytes and numbers are whole whoever panicked while holding them.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn lose(&mut self, bytes: &[u8]) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
        self.lost += lines;
        counter!("tallyflow_log_lines_lost_total").increment(lines);
    }
}

/// Writes as much as can be; says how much.
fn write(stream: &mut impl Write, bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        match stream.write(&bytes[at..]) {
            Ok(0) => return at,
            Ok(written) => at += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_REST),
            Err(_) => return at,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;

    use super::*;

    fn leaked() -> &'static Lines {
        Box::leak(Box::new(Lines::new()))
    }

    #[test]
    fn a_pipe_that_nobody_reads_costs_lines_and_no_time() {
        let lines = leaked();
        let (reader, writer) = io::pipe().unwrap();
        let open = || Ok(File::from(OwnedFd::from(writer.try_clone()?)));
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..5_000 {
            lines.put(line.as_bytes(), open);
        }
        let lost = lines.lock().lost;
        // What waits, what is being written, and what the pipe holds.
        assert!((2_500..4_000).contains(&lost), "{lost}");
        let read = BufReader::new(reader).lines().map_while(Result::ok);
        let read = read.take(5_000 - lost as usize);
        assert!(read.fold(0, |read, line| read + usize::from(line.len() == 999)) > 1_000);
        lines.flush();
        assert_eq!(lines.lock().bytes.len(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_what_follows_is_tried() {
        let lines = leaked();
        let full = || File::options().write(true).open("/dev/full");
        for _ in 0..3 {
            lines.put(b"one\ntwo\n", full);
            lines.flush();
        }
        assert_eq!(lines.lock().lost, 6);
    }
}
