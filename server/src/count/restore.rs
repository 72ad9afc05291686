//! What the counting goes on from, and how a worker takes its share of it again.
//!
//! A thread beside each worker reads, checks and decodes the files; the worker hands the events to
//! the dataflow, which brings each to the worker that its voter belongs to. So who reads which
//! file does not matter, and a checkpoint may be taken again by any number of workers.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use dataflow::directory::Directory;
use dataflow::engine::{Carried, Engine, Position};
use dataflow::kept::Kept;
use dataflow::register::Register;
use dataflow::wire::Reason;

use super::CountError;
use crate::checkpoint::{
    CheckpointError, Counts, Manifest, Place, Segment, SegmentRef, read_segment,
};

/// How many decoded row groups wait at a worker.
const GROUPS_WAITING: usize = 2;

/// How many files are read at a time, where the system does not say how many cores there are.
const READ_AT_A_TIME: usize = 2;

/// Turns of reading a file: no more are in memory than there are cores to decode them, so that a
/// start with many workers needs no more than the run before it.
#[derive(Clone)]
struct Turns(Sender<()>, Receiver<()>);

impl Turns {
    fn new() -> Turns {
        let cores = thread::available_parallelism();
        let (taken, given_back) = bounded(cores.map_or(READ_AT_A_TIME, NonZero::get));
        Turns(taken, given_back)
    }

    /// Does something in a turn, once there is one.
    fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        // Both ends are here, so neither fails.
        let _ = self.0.send(());
        let worked = work();
        let _ = self.1.try_recv();
        worked
    }
}

/// A checkpoint that is gone on from.
pub struct Before {
    manifest: Manifest,
    /// The register that was in force.
    pub register: Arc<Register>,
    place: Place,
    turns: Turns,
}

impl Before {
    /// A checkpoint that is whole.
    pub fn new(manifest: Manifest, register: Register, place: Place) -> Before {
        Before {
            manifest,
            register: Arc::new(register),
            place,
            turns: Turns::new(),
        }
    }

    /// What it says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn number(&self) -> u64 {
        self.manifest.number
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.manifest.counts
    }

    /// What no event tells of what was counted.
    pub(super) fn carried(&self) -> Carried {
        let counts = &self.manifest.counts;
        let refused = Reason::ALL.iter().filter_map(|reason| {
            let messages = counts.refused.get(reason.as_str())?;
            Some((*reason, i64::try_from(*messages).ok()?))
        });
        Carried {
            messages: counts.messages as i64,
            duplicates: counts.duplicates as i64,
            refused: refused.collect(),
        }
    }

    /// Where each partition is counted to.
    pub fn positions(&self) -> Vec<Position> {
        let partitions = self.manifest.partitions.iter();
        partitions
            .map(|at| Position {
                partition: at.partition,
                first_offset: at.first_offset,
                next_offset: at.next_offset,
                latest_ms: at.latest_ms,
            })
            .collect()
    }

    /// A worker's files: the largest first, each to whoever has the least.
    fn files_of(&self, index: usize, peers: usize) -> Vec<SegmentRef> {
        let mut files: Vec<&SegmentRef> = self.manifest.segments().collect();
        files.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.name.cmp(&b.name)));
        let mut rows = vec![0; peers];
        let mut mine = Vec::new();
        for file in files {
            let least = (0..peers).min_by_key(|worker| rows[*worker]).unwrap_or(0);
            rows[least] += file.rows;
            if least == index {
                mine.push(file.clone());
            }
        }
        mine
    }
}

/// One worker's share of a checkpoint.
pub(super) struct Restore {
    place: Place,
    turns: Turns,
    files: Vec<SegmentRef>,
    groups: Option<Receiver<Result<Vec<Kept>, CheckpointError>>>,
    waits: bool,
}

impl Restore {
    pub(super) fn new(before: &Before, index: usize, peers: usize) -> Restore {
        Restore {
            place: before.place.clone(),
            turns: before.turns.clone(),
            files: before.files_of(index, peers),
            groups: None,
            waits: false,
        }
    }

    /// Whether the next step has something to do at once.
    pub(super) fn has_more(&self) -> bool {
        !self.waits
    }

    /// Takes a part of it again, if one is read; `true` once nothing is left.
    pub(super) fn step(&mut self, engine: &mut Engine) -> Result<bool, CountError> {
        if self.groups.is_none() {
            self.groups = Some(self.read(Arc::clone(engine.directory()))?);
        }
        let Some(groups) = &self.groups else {
            return Ok(false);
        };
        self.waits = false;
        match groups.try_recv() {
            Ok(events) => {
                for kept in events? {
                    engine.restore(kept.event);
                }
                Ok(false)
            }
            Err(TryRecvError::Empty) => {
                self.waits = true;
                Ok(false)
            }
            Err(TryRecvError::Disconnected) => Ok(true),
        }
    }

    fn read(
        &mut self,
        directory: Arc<Directory>,
    ) -> Result<Receiver<Result<Vec<Kept>, CheckpointError>>, CountError> {
        let (send, groups) = bounded(GROUPS_WAITING);
        let (place, files) = (self.place.clone(), std::mem::take(&mut self.files));
        let turns = self.turns.clone();
        let worker = thread::current();
        let read = move || {
            for file in files {
                let each = |events| {
                    let goes_on = send.send(Ok(events)).is_ok();
                    worker.unpark();
                    goes_on
                };
                let decoded = turns.take(|| read_file(&place, &file, &directory, each));
                if let Err(error) = decoded {
                    // A worker that has ended does not want to know.
                    let _ = send.send(Err(error));
                    break;
                }
            }
            drop(send);
            worker.unpark();
        };
        thread::Builder::new()
            .name("restore".to_string())
            .spawn(read)
            .map_err(|error| CountError::Start(error.to_string()))?;
        Ok(groups)
    }
}

/// Hands over a file's events by row group, until `each` says that nobody wants more.
fn read_file(
    place: &Place,
    file: &SegmentRef,
    directory: &Directory,
    mut each: impl FnMut(Vec<Kept>) -> bool,
) -> Result<(), CheckpointError> {
    let segment = Segment::open(read_segment(place, file)?)?;
    for group in 0..segment.row_groups() {
        if !each(segment.read(group, directory.numbering())?) {
            break;
        }
    }
    Ok(())
}
