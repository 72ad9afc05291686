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

use crate::accept::RollStep;
use crate::directory::{Directory, Tree};
use crate::graph::{self, Closed, Inputs, Outbox, Read};
use crate::hash::KeyedHash;
use crate::intake::{Arrival, Intake};
use crate::register::Register;
use crate::wire::Refusal;

mod beat;

use beat::{Beat, Handle, Heart};

/// What all workers of all processes agree on.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The key of the hashes of voters.
    pub hash_key: [u8; 16],
    /// How far behind its partition's latest a cast may be without being late, in milliseconds.
    pub lateness_ms: i64,
    /// Workers of each process.
    pub workers_per_process: usize,
}

/// A tick that has closed, as the view takes it.
#[derive(Clone, Debug)]
pub struct ClosedTick {
    /// The tick.
    pub tick: u64,
    /// What it brings.
    pub closed: Closed,
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
    heart: Heart,
    epoch: u64,
    ticks: VecDeque<(u64, u64)>,
    directory: Arc<Directory>,
    on_roll: FxHashSet<(u32, u128)>,
    next_offsets: BTreeMap<u32, i64>,
    reported: BTreeMap<u32, i64>,
    messages: i64,
    pending: bool,
    asked: bool,
}

impl Engine {
    /// Builds the dataflow at a worker; every worker does so with the same settings.
    pub fn new(worker: &mut Worker, settings: Settings) -> Engine {
        let hash = KeyedHash::new(settings.hash_key);
        let outbox = Rc::new(RefCell::new(Outbox::default()));
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
            graph::build(inputs, hash, publishers, &outbox);
            (events, directories, roll, tree, reads)
        });
        Engine {
            worker: worker.clone(),
            hash,
            intake: Intake::new(hash, settings.lateness_ms),
            events,
            directories,
            roll,
            tree,
            reads,
            outbox,
            heart,
            epoch: 0,
            ticks: VecDeque::new(),
            directory: Arc::default(),
            on_roll: FxHashSet::default(),
            next_offsets: BTreeMap::new(),
            reported: BTreeMap::new(),
            messages: 0,
            pending: false,
            asked: false,
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
        let rolls: FxHashSet<&str> = register
            .elections
            .iter()
            .filter(|election| election.roll)
            .map(|election| &*election.election_id)
            .collect();
        let voters = register.voters.iter();
        let is: FxHashSet<(u32, u128)> = voters
            .filter(|voter| rolls.contains(&*voter.election_id))
            .filter_map(|voter| {
                let election = directory.elections.number(&voter.election_id)?;
                Some((election, self.hash.voter(&voter.voter_id)))
            })
            .collect();
        let mut send = |&(election, voter): &(u32, u128), on| {
            self.roll.send(RollStep {
                election,
                voter,
                on,
            });
        };
        self.on_roll
            .difference(&is)
            .for_each(|gone| send(gone, false));
        is.difference(&self.on_roll)
            .for_each(|come| send(come, true));
        self.on_roll = is;
    }

    /// Says where a partition of this worker begins, before anything of it is read.
    pub fn begin(&mut self, partition: u32, first_offset: i64) {
        self.next_offsets.insert(partition, first_offset);
        self.pending = true;
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
        self.next_offsets.insert(partition, offset + 1);
        self.messages += 1;
        self.pending = true;
        match self.intake.read(partition, log_time_ms, bytes) {
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

    /// How many records were taken in the open tick.
    pub fn messages_in_tick(&self) -> i64 {
        self.messages
    }

    /// Announces that the open epoch closes as a tick, greater than any before. Worker 0 only.
    pub fn announce(&mut self, tick: u64) {
        let epoch = self.heart.announced();
        self.heart.announce(Beat::Close { epoch, tick });
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
        while let Some((epoch, tick)) = self.heart.next_close() {
            debug_assert_eq!(epoch, self.epoch);
            self.close(tick);
        }
        self.follow_register();
        self.closed()
    }

    /// Closes the open epoch at this worker as a tick that all workers have agreed on otherwise.
    pub fn close_at(&mut self, tick: u64) {
        self.close(tick);
    }

    /// Closes the open epoch at this worker.
    fn close(&mut self, tick: u64) {
        if self.messages > 0 {
            self.reads.update(Read::Messages, self.messages);
        }
        for (partition, next) in &self.next_offsets {
            // A partition is reported from the start on, at offset 0 too: by one more than it is.
            let reported = self.reported.get(partition).copied().unwrap_or(-1);
            if reported != *next {
                self.reads.update(Read::Offset(*partition), next - reported);
                self.reported.insert(*partition, *next);
            }
        }
        self.ticks.push_back((self.epoch, tick));
        self.epoch += 1;
        self.messages = 0;
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
        while let Some((epoch, tick)) = self.ticks.pop_front_if(|(epoch, _)| *epoch < before) {
            let closed = outbox.closed.pop_front_if(|closed| closed.epoch == epoch);
            ticks.push(ClosedTick {
                tick,
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
