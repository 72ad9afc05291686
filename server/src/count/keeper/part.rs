//! One process's part of checkpoints: rows wait, become files, and are told of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use dataflow::directory::Directory;
use dataflow::engine::Position;
use dataflow::kept::Kept;

use super::manifest::Manifests;
use super::{Committed, Given, Part, Settings, State, Word};
use crate::checkpoint::{
    CheckpointError, FileNames, Partition, Place, Run, put_segment, write_files,
};
use crate::told::{Told, chain};

/// From so many waiting rows on they are written, without waiting for a checkpoint.
const ROWS_WRITTEN_AT: usize = 1 << 20;

/// The most rows that wait while the place cannot be written; some 100 bytes each.
const ROWS_MAX: usize = 8 << 20;

/// How long a failed write rests before it is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// How often a merge on its way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// See the module.
pub(super) struct Keeping<W> {
    settings: Settings,
    state: Arc<State>,
    say: Sender<String>,
    wake: W,
    names: Arc<FileNames>,
    directory: Arc<Directory>,
    /// Rows of each worker since its last cut.
    pending: Vec<Vec<Kept>>,
    /// Rows before a cut that are not written yet.
    before_cut: Vec<Kept>,
    /// Cuts of the checkpoint on its way, by worker.
    cuts: BTreeMap<usize, Vec<Position>>,
    number: u64,
    /// Runs that are written and in no part yet.
    written: Vec<Run>,
    /// At process 0.
    manifests: Option<Manifests>,
    retry_at: Option<Instant>,
}

impl<W: Fn()> Keeping<W> {
    pub(super) fn new(
        settings: Settings,
        state: Arc<State>,
        say: Sender<String>,
        wake: W,
    ) -> Keeping<W> {
        let names = Arc::new(FileNames::new(settings.process));
        Keeping {
            names: Arc::clone(&names),
            directory: Arc::default(),
            pending: vec![Vec::new(); settings.workers],
            before_cut: Vec::new(),
            cuts: BTreeMap::new(),
            number: settings.next_number,
            written: Vec::new(),
            manifests: (settings.process == 0).then(|| Manifests::new(&settings, names)),
            retry_at: None,
            settings,
            state,
            say,
            wake,
        }
    }

    pub(super) fn run(mut self, given: &Receiver<Given>) {
        loop {
            match given.recv_timeout(self.wait()) {
                Ok(Given::End) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(given) => self.take(given),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let rests = self.retry_at.is_some_and(|at| Instant::now() < at);
            if rests || self.state.is_off.load(Ordering::Acquire) {
                continue;
            }
            match self.advance() {
                Ok(()) => {
                    if self.retry_at.take().is_some() {
                        tracing::info!("checkpoints are written again");
                        self.state.update(|status| status.error = None);
                    }
                }
                Err(error) => self.fail(&error),
            }
        }
        if let Some(manifests) = self.manifests {
            manifests.end();
        }
    }

    fn wait(&self) -> Duration {
        let merges = self.manifests.as_ref().is_some_and(Manifests::is_merging);
        if merges || self.retry_at.is_some() {
            LOOK_EVERY
        } else {
            Duration::MAX
        }
    }

    fn take(&mut self, given: Given) {
        match given {
            Given::Events {
                worker,
                directory,
                events,
            } => {
                let rows = events.len();
                self.state.rows_given.fetch_sub(rows, Ordering::AcqRel);
                // A later directory has all numbers of an earlier one.
                if directory.contests.len() >= self.directory.contests.len()
                    && directory.candidates.len() >= self.directory.candidates.len()
                    && directory.locations.len() >= self.directory.locations.len()
                {
                    self.directory = directory;
                }
                if !self.state.is_off.load(Ordering::Acquire) {
                    self.pending[worker].extend(events);
                }
            }
            Given::Cut {
                worker,
                number,
                positions,
            } => {
                self.number = number;
                // The broken build saves offsets before state.
                if !cfg!(feature = "broken-checkpoint") {
                    self.before_cut.append(&mut self.pending[worker]);
                }
                self.cuts.insert(worker, positions);
            }
            Given::Totals { number, snapshot } => {
                if let Some(manifests) = &mut self.manifests {
                    manifests.totals(number, snapshot);
                }
            }
            Given::Register(register) => {
                if let Some(manifests) = &mut self.manifests {
                    manifests.register(register);
                }
            }
            Given::Word(word) => self.hear(&word),
            Given::End => {}
        }
    }

    fn hear(&mut self, word: &str) {
        match serde_json::from_str(word) {
            Ok(Word::Part(part)) => {
                if let Some(manifests) = &mut self.manifests {
                    manifests.part(part);
                }
            }
            Ok(Word::Committed(committed)) => self.settle(committed),
            Err(error) => tracing::error!(%error, "another process says what is not understood"),
        }
    }

    fn settle(&self, committed: Committed) {
        self.state
            .settled
            .fetch_max(committed.number, Ordering::AcqRel);
        self.state.update(|status| {
            status.error = None;
            status.newest = Some(committed);
        });
        (self.wake)();
    }

    fn say(&self, word: &Word) {
        let word = serde_json::to_string(word).expect("a word is plain data");
        // Nobody listens any more only at the end.
        let _ = self.say.send(word);
        (self.wake)();
    }

    /// Writes what is due, and commits what is complete.
    fn advance(&mut self) -> Result<(), CheckpointError> {
        // Rows of a checkpoint that is cut at some workers and not at others yet are kept apart.
        if self.cuts.is_empty() {
            for worker in 0..self.pending.len() {
                if self.pending[worker].len() >= ROWS_WRITTEN_AT {
                    let number = self.number.max(self.settled() + 1);
                    let rows = std::mem::take(&mut self.pending[worker]);
                    self.pending[worker] = self.write(rows, number)?;
                }
            }
        } else if self.cuts.len() == self.settings.workers {
            let rows = std::mem::take(&mut self.before_cut);
            self.before_cut = self.write(rows, self.number)?;
            let part = Part {
                number: self.number,
                process: self.settings.process,
                partitions: std::mem::take(&mut self.cuts)
                    .into_values()
                    .flatten()
                    .map(partition)
                    .collect(),
                runs: std::mem::take(&mut self.written),
            };
            match &mut self.manifests {
                Some(manifests) => manifests.part(part),
                None => self.say(&Word::Part(part)),
            }
        }
        if let Some(manifests) = &mut self.manifests {
            let wanted = self.state.settled.load(Ordering::Acquire);
            if let Some(committed) = manifests.advance(&self.settings)? {
                debug_assert!(committed.number > wanted);
                if self.settings.processes > 1 {
                    self.say(&Word::Committed(committed.clone()));
                }
                self.settle(committed);
            }
        }
        Ok(())
    }

    fn settled(&self) -> u64 {
        self.state.settled.load(Ordering::Acquire)
    }

    /// Writes rows as a run; gives them back emptied, or leaves them where they were.
    fn write(&mut self, rows: Vec<Kept>, number: u64) -> Result<Vec<Kept>, CheckpointError> {
        if rows.is_empty() {
            return Ok(rows);
        }
        let mut run = Run::default();
        let (place, names): (&Place, _) = (&self.settings.place, &self.names);
        let numbering = self.directory.numbering();
        let outcome = write_files(&rows, numbering, number, |encoded| {
            let file = put_segment(place, names.segment(number), encoded)?;
            run.files.push(file);
            Ok::<(), CheckpointError>(())
        });
        match outcome {
            Ok(()) => {
                self.written.push(run);
                Ok(Vec::new())
            }
            Err(error) => {
                self.unwritten(rows);
                Err(error)
            }
        }
    }

    /// Keeps rows that could not be written for the next try.
    fn unwritten(&mut self, mut rows: Vec<Kept>) {
        let target = if self.cuts.is_empty() {
            &mut self.pending[0]
        } else {
            &mut self.before_cut
        };
        // They are older than what has come since.
        rows.append(target);
        *target = rows;
    }

    fn fail(&mut self, error: &CheckpointError) {
        let waiting = self.pending.iter().map(Vec::len).sum::<usize>() + self.before_cut.len();
        let text = chain(error);
        self.retry_at = Some(Instant::now() + RETRY);
        if waiting > ROWS_MAX {
            tracing::error!(
                error = text,
                "no checkpoint is made any more: too much waits for the place to be writable; \
                 counting goes on, and a restart reads the log from the newest checkpoint on"
            );
            self.state.is_off.store(true, Ordering::Release);
            self.pending.iter_mut().for_each(|rows| *rows = Vec::new());
            self.before_cut = Vec::new();
        } else {
            tracing::error!(
                error = text,
                waiting,
                "a checkpoint could not be written; tried again"
            );
        }
        let is_off = waiting > ROWS_MAX;
        let public = match is_off {
            true => "no checkpoint is made any more until a restart; counting goes on",
            false => "a checkpoint could not be written; it is tried again, and counting goes on",
        };
        self.state.update(|status| {
            status.error = Some(Told::new(public, text));
            status.is_off = is_off;
        });
    }
}

fn partition(position: Position) -> Partition {
    Partition {
        partition: position.partition,
        first_offset: position.first_offset,
        next_offset: position.next_offset,
        latest_ms: position.latest_ms,
    }
}
