//! Fewer and larger runs out of many small ones.
//!
//! Runs of about one size become one run, so the work for an event grows with the logarithm of
//! how many there are, and their number stays bounded. The merge streams: of each run it holds
//! one file and one decoded row group. The same runs always give the same rows in the same order.
//!
//! Of the versions of an event that runs hold, the newest says what it is; it is late if every
//! version is, and its place and its log time are the earliest.

use std::ops::Range;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use dataflow::kept::Kept;

use super::error::CheckpointError;
use super::manifest::{Run, put_segment};
use super::name::FileNames;
use super::place::{Place, PlaceError};
use super::segment::{Encoder, FILE_ROWS_MAX, SegmentError};
use cursor::{Cursor, Interned};

mod cursor;

/// How many adjacent runs of one size are merged.
const RUNS_MERGED: usize = 8;

/// How many runs there may be before some are merged whatever their sizes: each is read at a
/// start and held open by a merge.
const RUNS_MAX: usize = 32;

/// Runs with fewer rows are all of one size.
const ROWS_MIN: u64 = 4096;

/// How many rows are merged between two looks at the stop flag.
const ROWS_BETWEEN_LOOKS: u64 = 16_384;

/// The adjacent runs to merge next, if any.
pub fn plan(runs: &[Run]) -> Option<Range<usize>> {
    let rows: Vec<u64> = runs.iter().map(Run::rows).collect();
    let windows = || rows.windows(RUNS_MERGED).enumerate();
    let is_even = |window: &[u64]| window.iter().all(|rows| class(*rows) == class(window[0]));
    let cheapest = |(_, window): &(usize, &[u64])| window.iter().sum::<u64>();
    let even = windows()
        .filter(|(_, window)| is_even(window))
        .min_by_key(cheapest);
    let chosen = match even {
        None if runs.len() > RUNS_MAX => windows().min_by_key(cheapest),
        even => even,
    };
    chosen.map(|(start, _)| start..start + RUNS_MERGED)
}

/// Sizes of one class differ by less than what a merge makes of them.
fn class(rows: u64) -> u32 {
    (rows.max(ROWS_MIN) / ROWS_MIN).ilog(RUNS_MERGED as u64)
}

/// Why a merge failed. Nothing is lost: the runs are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A run cannot be read, or the place cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A run's rows are not in order, so a merge would lose some.
    #[error(
        "could not merge '{name}': its rows are not in their order, so another version wrote it; \
         the checkpoints stay as they are, restart with that version"
    )]
    Unsorted {
        /// The file.
        name: String,
    },
    /// The thread could not be started.
    #[error("could not start the thread that merges checkpoints: check the limit of processes")]
    Thread(#[source] std::io::Error),
}

impl From<SegmentError> for MergeError {
    fn from(error: SegmentError) -> MergeError {
        MergeError::Checkpoint(error.into())
    }
}

impl From<PlaceError> for MergeError {
    fn from(error: PlaceError) -> MergeError {
        MergeError::Checkpoint(error.into())
    }
}

/// The names of the files that a merge has written or is writing.
pub type Written = Mutex<Vec<String>>;

/// Merges runs, oldest first, into one, whose files are durable on return. `None` if it was
/// stopped. A merge that is stopped or fails deletes what it wrote, as far as it can.
pub fn merge(
    place: &Place,
    runs: &[Run],
    checkpoint: u64,
    names: &FileNames,
    written: &Written,
    stop: &AtomicBool,
) -> Result<Option<Run>, MergeError> {
    let merged =
        Merge::new(place, runs).and_then(|merge| merge.run(checkpoint, names, written, stop));
    if !matches!(merged, Ok(Some(_))) {
        let written = std::mem::take(&mut *lock(written));
        for name in written {
            // What stays is named by no manifest, so a later sweep takes it.
            let _ = place.delete(&name);
        }
    }
    merged
}

fn lock(written: &Written) -> std::sync::MutexGuard<'_, Vec<String>> {
    // A list of names is whole whoever panicked while holding it.
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Merge<'a> {
    place: &'a Place,
    cursors: Vec<Cursor<'a>>,
    interned: Interned,
}

impl<'a> Merge<'a> {
    fn new(place: &'a Place, runs: &'a [Run]) -> Result<Merge<'a>, MergeError> {
        let mut interned = Interned::default();
        let mut cursors = Vec::with_capacity(runs.len());
        for run in runs {
            cursors.extend(Cursor::open(place, run, &mut interned)?);
        }
        Ok(Merge {
            place,
            cursors,
            interned,
        })
    }

    fn run(
        mut self,
        checkpoint: u64,
        names: &FileNames,
        written: &Written,
        stop: &AtomicBool,
    ) -> Result<Option<Run>, MergeError> {
        let mut run = Run::default();
        let mut encoder = Encoder::new()?;
        let mut put = |encoder: Encoder| {
            let name = names.merged(checkpoint);
            lock(written).push(name.clone());
            let segment = put_segment(self.place, name, encoder.finish()?)?;
            run.files.push(segment);
            Ok::<(), MergeError>(())
        };
        let mut same = Vec::new();
        while self.find_least(&mut same) {
            let (kept, number) = self.newest(&same);
            encoder.push(&kept, number, &self.interned.numbering())?;
            self.step(&same)?;
            if encoder.rows().is_multiple_of(ROWS_BETWEEN_LOOKS) && stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if encoder.rows() == FILE_ROWS_MAX as u64 {
                put(std::mem::replace(&mut encoder, Encoder::new()?))?;
            }
        }
        if encoder.rows() > 0 {
            put(encoder)?;
        }
        Ok(Some(run))
    }

    /// The cursors at the least event, oldest run first; `false` at the end.
    fn find_least(&self, same: &mut Vec<usize>) -> bool {
        same.clear();
        let Some(least) = self.cursors.iter().map(|cursor| cursor.voter).min() else {
            return false;
        };
        let of_voter = |cursor: &Cursor<'_>| cursor.voter == least;
        same.extend((0..self.cursors.len()).filter(|at| of_voter(&self.cursors[*at])));
        if same.len() > 1 {
            let numbering = self.interned.numbering();
            let identity = |at: usize| self.cursors[at].identity(&numbering);
            let least = same.iter().map(|at| identity(*at)).min();
            same.retain(|at| Some(identity(*at)) == least);
        }
        true
    }

    /// What the versions of an event say together, and the number of the newest.
    fn newest(&mut self, same: &[usize]) -> (Kept, u64) {
        let mut versions = same.iter().map(|at| self.cursors[*at].checkpoint());
        let (mut newest, mut number) = (0, versions.next().unwrap_or_default());
        for (at, checkpoint) in (1..).zip(versions) {
            // Of two with one number, that of the later run.
            if checkpoint >= number {
                (newest, number) = (at, checkpoint);
            }
        }
        let mut kept = self.cursors[same[newest]].take();
        for &at in same {
            if at != same[newest] {
                let other = &self.cursors[at].row().event;
                kept.event.late &= other.late;
                kept.event.place = kept.event.place.min(other.place);
                if kept.event.untimed {
                    kept.event.time_ms = kept.event.time_ms.min(other.time_ms);
                }
            }
        }
        (kept, number)
    }

    fn step(&mut self, same: &[usize]) -> Result<(), MergeError> {
        // From the last, so that one that is at its end leaves the others' places alone.
        for &at in same.iter().rev() {
            if !self.cursors[at].step(&mut self.interned)? {
                self.cursors.remove(at);
            }
        }
        Ok(())
    }
}

/// A merge on a thread of its own.
#[derive(Debug)]
pub struct Merger {
    stop: Arc<AtomicBool>,
    written: Arc<Written>,
    thread: JoinHandle<Result<Option<Run>, MergeError>>,
}

impl Merger {
    /// Starts to merge runs while `checkpoint` is the next to be written.
    pub fn start(
        place: Place,
        runs: Vec<Run>,
        checkpoint: u64,
        names: Arc<FileNames>,
    ) -> Result<Merger, MergeError> {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (stopped, wrote) = (Arc::clone(&stop), Arc::clone(&written));
        let run = move || merge(&place, &runs, checkpoint, &names, &wrote, &stopped);
        let thread = thread::Builder::new()
            .name("merge".to_string())
            .spawn(run)
            .map_err(MergeError::Thread)?;
        Ok(Merger {
            stop,
            written,
            thread,
        })
    }

    /// The files that it has written or is writing, which a sweep must leave alone.
    pub fn files(&self) -> Vec<String> {
        lock(&self.written).clone()
    }

    /// Whether [`finish`](Merger::finish) would not wait.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks it to end; it does within a file's writing.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the new run; `None` if it was stopped.
    pub fn finish(self) -> Result<Option<Run>, MergeError> {
        self.thread
            .join()
            .unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }
}
