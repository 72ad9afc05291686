//! One worker's hold on the dataflow: records and registers in, closed ticks out.
//!
//! The shell drives it: it hands over what it read, closes ticks, steps the worker and takes what
//! has closed. Worker 0 opens the ticks: it announces each, and every worker closes its inputs at
//! the announcement, so all processes publish the same ones. Time inside the dataflow is an epoch,
//! 0, 1, 2, …; a tick is the label that worker 0 gives an epoch when it closes. Never asks what
//! time it is.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use differential_dataflow::input::{Input as _, InputSession};
use rustc_hash::FxHashSet;
use timely::dataflow::operators::vec::Input as _;
use timely::worker::Worker;

use crate::accept::{Accept, RollStep, UnknownCode};
use crate::directory::{Directory, Tree};
use crate::graph::{self, Closed, Inputs, Outbox, Read};
use crate::hash::KeyedHash;
use crate::intake::{Arrival, Intake};
use crate::kept::Kept;
use crate::register::Register;
use crate::wire::{Format, Reason, Refusal};

mod beat;
mod partitions;
mod roll;
mod talk;

pub use beat::Mark;
use beat::{Beat, Handle, Heart};
use partitions::Partitions;
use roll::RollInForce;

/// What all workers of all processes agree on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The key of the hashes of voters.
    pub hash_key: [u8; 16],
    /// How far behind its partition's latest a cast may be without being late, in milliseconds.
    pub lateness_ms: i64,
    /// How messages are read.
    pub format: Arc<Format>,
    /// Workers of each process.
    pub workers_per_process: usize,
    /// Whether the state goes on from what was kept before: see [`Engine::restore`].
    pub restores: bool,
    /// Whether what changes of what is kept is written down: see [`Engine::next_keep`].
    pub keeps: bool,
}

/// What was counted before the service was started and no kept event tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Messages read.
    pub messages: i64,
    /// Identical copies.
    pub duplicates: i64,
    /// Messages that are no valid event.
    pub refused: BTreeMap<Reason, i64>,
}

/// Where a worker is in one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// Where its counting began.
    pub first_offset: i64,
    /// The next offset to take.
    pub next_offset: i64,
    /// The latest time of a cast: what lateness is judged by.
    pub latest_ms: Option<i64>,
}

/// What goes to a checkpoint, in this order at each worker.
#[derive(Clone, Debug)]
pub enum Keep {
    /// Events that are new or changed.
    Events(Vec<Kept>),
    /// Everything up to a checkpoint's tick has been handed over.
    Cut {
        /// The checkpoint's number.
        number: u64,
        /// Where this worker was when the tick closed.
        positions: Vec<Position>,
    },
}

/// A tick that has closed, as the view takes it.
#[derive(Clone, Debug)]
pub struct ClosedTick {
    /// The tick.
    pub tick: u64,
    /// What it brings.
    pub closed: Closed,
    /// What it is besides.
    pub mark: Mark,
}

/// See the module.
pub struct Engine {
    worker: Worker,
    hash: KeyedHash,
    intake: Intake,
    events: Handle<Arrival>,
    directories: Handle<Arc<Directory>>,
    roll: Handle<RollStep>,
    tree: InputSession<u64, (u32, u32, u32), i64>,
    reads: InputSession<u64, Read, i64>,
    outbox: Rc<RefCell<Outbox>>,
    accept: Rc<RefCell<Accept>>,
    cuts: VecDeque<(u64, u64, Vec<Position>)>,
    heart: Heart,
    epoch: u64,
    ticks: VecDeque<(u64, u64, Mark)>,
    directory: Arc<Directory>,
    on_roll: RollInForce,
    partitions: Partitions,
    messages: i64,
    /// Events taken again in the open tick.
    restored: i64,
    restoring: bool,
    pending: bool,
    asked: bool,
    workers_per_process: u64,
}

impl Engine {
    /// Builds the dataflow at a worker; every worker does so with the same settings.
    pub fn new(worker: &mut Worker, settings: Settings) -> Engine {
        let hash = KeyedHash::new(settings.hash_key);
        let outbox = Rc::new(RefCell::new(Outbox::default()));
        let accept = Accept::new(hash, settings.keeps, settings.restores);
        let accept = Rc::new(RefCell::new(accept));
        let publishers = (0..worker.peers())
            .step_by(settings.workers_per_process.max(1))
            .collect();
        let heart = Heart::new(worker);
        let (events, directories, roll, tree, reads) = worker.dataflow::<u64, _, _>(|scope| {
            let (events, event_stream) = scope.new_input();
            let (directories, directory_stream) = scope.new_input();
            let (roll, roll_stream) = scope.new_input();
            let (tree, tree_rows) = scope.new_collection();
            let (reads, read_rows) = scope.new_collection();
            let inputs = Inputs {
                directories: directory_stream,
                tree: tree_rows,
                roll: roll_stream,
                events: event_stream,
                reads: read_rows,
            };
            graph::build(inputs, publishers, &outbox, Rc::clone(&accept));
            (events, directories, roll, tree, reads)
        });
        Engine {
            worker: worker.clone(),
            hash,
            intake: Intake::new(hash, settings.lateness_ms, settings.format),
            events,
            directories,
            roll,
            tree,
            reads,
            outbox,
            accept,
            cuts: VecDeque::new(),
            heart,
            epoch: 0,
            ticks: VecDeque::new(),
            directory: Arc::default(),
            on_roll: RollInForce::default(),
            partitions: Partitions::default(),
            messages: 0,
            restored: 0,
            restoring: settings.restores,
            pending: false,
            asked: false,
            workers_per_process: settings.workers_per_process.max(1) as u64,
        }
    }

    /// Puts a register, which has been checked, in force from the open tick on. At worker 0 only.
    pub fn adopt(&mut self, register: &Register) {
        let next = Arc::new(self.directory.adopt(register, &self.hash));
        let ancestors = |directory: &Directory| -> FxHashSet<(u32, u32, u32)> {
            let trees = directory.trees.iter();
            trees
                .flat_map(|(election, tree)| way_ups(*election, tree))
                .collect()
        };
        let (was, is) = (ancestors(&self.directory), ancestors(&next));
        for gone in was.difference(&is) {
            self.tree.update(*gone, -1);
        }
        for come in is.difference(&was) {
            self.tree.update(*come, 1);
        }
        self.step_roll(register, &next);
        self.directories.send(Arc::clone(&next));
        // The other workers have it when the epoch closes.
        self.intake.adopt(Arc::clone(&next));
        self.directory = next;
        self.pending = true;
    }

    fn step_roll(&mut self, register: &Register, directory: &Directory) {
        let (on_roll, roll) = (&mut self.on_roll, &mut self.roll);
        on_roll.adopt(register, &self.hash, |election, voter, on| {
            if let Some(election) = directory.elections.number(election) {
                roll.send(RollStep {
                    election,
                    voter,
                    on,
                });
            }
        });
    }

    /// Says where a partition of this worker begins, before anything of it is read.
    pub fn begin(&mut self, partition: u32, first_offset: i64) {
        self.partitions.begin(partition, first_offset, first_offset);
        self.pending = true;
    }

    /// Goes on in a partition of this worker where an engine under the same key has ended.
    pub fn resume(&mut self, position: &Position) {
        let (first_offset, next_offset) = (position.first_offset, position.next_offset);
        self.partitions
            .begin(position.partition, first_offset, next_offset);
        self.pending = true;
        self.intake.resume(position.partition, position.latest_ms);
    }

    /// Takes again an event that was kept, of any voter, at any worker; before anything is read,
    /// under a register with which it was kept or a later one.
    pub fn restore(&mut self, event: Arrival) {
        self.events.send(event);
        self.restored += 1;
        self.pending = true;
    }

    /// Says that this worker has nothing more to take again. At worker 0, with what else was
    /// counted before.
    pub fn restored(&mut self, carried: Option<&Carried>) {
        if let Some(carried) = carried {
            self.reads.update(Read::Messages, carried.messages);
            self.reads.update(Read::Duplicates, carried.duplicates);
            for (reason, messages) in &carried.refused {
                self.reads.update(Read::Refused(*reason), *messages);
            }
        }
        self.heart.tell(0, Beat::Restored);
        self.pending = true;
    }

    /// Whether what was kept before is not all taken again, at some worker; until it is, nothing
    /// may be read.
    pub fn is_restoring(&self) -> bool {
        self.restoring
    }

    /// Whether the open epoch is to close as [`Mark::Restored`]. At worker 0.
    pub fn all_restored(&self) -> bool {
        self.restoring && self.heart.all_restored()
    }

    /// The next of what goes to a checkpoint.
    pub fn next_keep(&mut self) -> Option<Keep> {
        let mut accept = self.accept.borrow_mut();
        let cut = self.cuts.front().map(|(epoch, _, _)| *epoch);
        if let Some(kept) = accept.next_kept(cut) {
            return Some(Keep::Events(kept));
        }
        let (_, number, positions) = self
            .cuts
            .pop_front_if(|(epoch, _, _)| accept.ends_cut(*epoch))?;
        Some(Keep::Cut { number, positions })
    }

    /// How many rows of [`Engine::next_keep`] take memory of their own until they are taken.
    pub fn rows_waiting(&self) -> usize {
        self.accept.borrow().rows_waiting()
    }

    /// The numbers of everything that was ever in a register here.
    pub fn directory(&self) -> &Arc<Directory> {
        self.intake.directory()
    }

    /// Takes the record at an offset of a partition; a refused one is counted, and returned for
    /// whoever keeps such. Records of one partition come in offset order.
    pub fn take(
        &mut self,
        partition: u32,
        offset: i64,
        log_time_ms: Option<i64>,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        self.partitions.take(partition, offset);
        self.messages += 1;
        self.pending = true;
        match self.intake.read(partition, offset, log_time_ms, bytes) {
            Ok(arrival) => {
                self.events.send(arrival);
                Ok(())
            }
            Err(refusal) => {
                self.reads.update(Read::Refused(refusal.reason), 1);
                Err(refusal)
            }
        }
    }

    /// Which codes votes of this worker's voters name that the register does not know, with how
    /// many are set aside for it; nothing if it is as when this was asked last.
    pub fn take_unknown(&mut self) -> Option<Vec<(UnknownCode, i64)>> {
        self.accept.borrow_mut().take_unknown()
    }

    /// How many casts that this worker read look as if seconds had been sent for milliseconds.
    pub fn casts_in_seconds(&self) -> u64 {
        self.intake.in_seconds()
    }

    /// Notes that a partition holds nothing more before an offset: the rest were no records.
    pub fn skip_to(&mut self, partition: u32, next_offset: i64) {
        self.pending |= self.partitions.skip_to(partition, next_offset);
    }

    /// Whether something was taken since the last tick closed, here or, as far as worker 0 has
    /// heard, at another worker.
    pub fn wants_tick(&self) -> bool {
        self.pending || self.heart.wanted()
    }

    /// How many announced ticks are not closed through the dataflow yet.
    pub fn ticks_in_flight(&self) -> usize {
        self.ticks.len()
    }

    /// Whether every announced tick has closed through the dataflow, as far as this worker knows.
    pub fn is_quiet(&self) -> bool {
        self.ticks.is_empty() && self.heart.announced() == self.epoch
    }

    /// How many records were taken in the open tick, those taken again too.
    pub fn messages_in_tick(&self) -> i64 {
        self.messages + self.restored
    }

    /// Announces that the open epoch closes as a tick, greater than any before. Worker 0 only.
    pub fn announce(&mut self, tick: u64, mark: Mark) {
        let epoch = self.heart.announced();
        self.heart.announce(&Beat::Close { epoch, tick, mark });
    }

    /// Steps the dataflow, parking up to `park` if there is nothing to do, and follows the ticks
    /// that worker 0 has announced. Returns what has closed, at the workers that publish.
    pub fn step(&mut self, park: Option<Duration>) -> Vec<ClosedTick> {
        if self.pending && !self.asked {
            self.asked = true;
            self.heart.ask(self.epoch);
        }
        match park {
            Some(limit) => self.worker.step_or_park(Some(limit)),
            None => self.worker.step(),
        };
        while let Some((epoch, tick, mark)) = self.heart.next_close() {
            debug_assert_eq!(epoch, self.epoch);
            self.close(tick, mark);
        }
        self.follow_register();
        self.closed()
    }

    /// Closes the open epoch at this worker as a tick that all workers have agreed on otherwise.
    pub fn close_at(&mut self, tick: u64, mark: Mark) {
        self.close(tick, mark);
    }

    /// Closes the open epoch at this worker.
    fn close(&mut self, tick: u64, mark: Mark) {
        if self.messages > 0 {
            self.reads.update(Read::Messages, self.messages);
        }
        let reads = &mut self.reads;
        self.partitions
            .report(|read, change| reads.update(read, change));
        match mark {
            Mark::None => {}
            Mark::Restored => {
                self.restoring = false;
                self.accept.borrow_mut().restored(self.epoch + 1);
            }
            Mark::Checkpoint(number) => {
                let positions = self.positions();
                self.accept.borrow_mut().plan_cut(self.epoch);
                self.cuts.push_back((self.epoch, number, positions));
            }
        }
        self.ticks.push_back((self.epoch, tick, mark));
        self.epoch += 1;
        self.messages = 0;
        self.restored = 0;
        self.pending = false;
        self.asked = false;
        self.events.advance_to(self.epoch);
        self.directories.advance_to(self.epoch);
        self.roll.advance_to(self.epoch);
        self.tree.advance_to(self.epoch);
        self.tree.flush();
        self.reads.advance_to(self.epoch);
        self.reads.flush();
    }

    fn positions(&self) -> Vec<Position> {
        let each = self.partitions.iter();
        each.map(|place| Position {
            partition: place.partition,
            first_offset: place.first_offset,
            next_offset: place.next_offset,
            latest_ms: self.intake.latest_ms(place.partition),
        })
        .collect()
    }

    /// Uses the directories that hold in the open epoch.
    fn follow_register(&mut self) {
        let mut outbox = self.outbox.borrow_mut();
        while let Some((_, directory)) = outbox.adopted.pop_front_if(|(at, _)| *at <= self.epoch) {
            self.intake.adopt(directory);
        }
    }

    fn closed(&mut self) -> Vec<ClosedTick> {
        let mut outbox = self.outbox.borrow_mut();
        let before = outbox.closed_before;
        let mut ticks = Vec::new();
        while let Some((epoch, tick, mark)) = self.ticks.pop_front_if(|(at, ..)| *at < before) {
            let closed = outbox.closed.pop_front_if(|closed| closed.epoch == epoch);
            ticks.push(ClosedTick {
                tick,
                mark,
                closed: closed.unwrap_or(Closed {
                    epoch,
                    ..Closed::default()
                }),
            });
        }
        ticks
    }

    /// Whether a register is in force at this worker, so that records may be taken.
    pub fn has_register(&self) -> bool {
        self.intake.has_directory()
    }
}

fn way_ups(election: u32, tree: &Tree) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
    let leaves = tree.nodes().filter(|(_, node)| node.leaf);
    leaves.flat_map(move |(leaf, _)| tree.way_up(leaf).map(move |above| (election, leaf, above)))
}
