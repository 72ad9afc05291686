//! What all subscribers saw together: by any process, before and after any restart.
//!
//! In comes every frame's tick, offsets and fingerprint; out go objections. One subscriber sees
//! that its own frames agree; here is what no single one can see: that no start of the service
//! takes back what another published, and that one tick is the same everywhere.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// After so many objections the rest is noise.
const OBJECTIONS_MAX: usize = 40;

/// A frame, as one subscriber saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which start of the service published it.
    pub start: u64,
    /// By which process it came.
    pub process: usize,
    /// The contest that it is about.
    pub contest: String,
    /// Its tick.
    pub tick: u64,
    /// The next offsets that it names.
    pub offsets: BTreeMap<String, i64>,
    /// A hash of everything that the subscriber then holds.
    pub print: u64,
}

/// Collects what is seen.
#[derive(Debug, Default)]
pub struct Witness {
    frames: AtomicU64,
    statuses: AtomicU64,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// By start: the first and the last tick.
    starts: BTreeMap<u64, (u64, u64)>,
    /// By tick.
    offsets: BTreeMap<u64, BTreeMap<String, i64>>,
    /// By tick and contest: the fingerprint, and whose it was.
    prints: BTreeMap<(u64, String), (u64, usize)>,
    objections: Vec<String>,
}

impl Witness {
    /// Takes a frame.
    pub fn see(&self, seen: Seen) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        let mut memory = self.lock();
        memory.check_starts(&seen);
        memory.check_offsets(&seen);
        memory.check_print(&seen);
        memory.take(seen);
    }

    /// Counts a status whose outcomes were compared.
    pub fn count_status(&self) {
        self.statuses.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that something is wrong.
    pub fn object(&self, objection: String) {
        self.lock().object(objection);
    }

    /// What was wrong.
    pub fn objections(&self) -> Vec<String> {
        self.lock().objections.clone()
    }

    /// How many frames there were.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// How many statuses there were.
    pub fn statuses(&self) -> u64 {
        self.statuses.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // What was noted before a panic is still true.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Every tick of a start is above every tick of the starts before it, whenever it is seen.
    fn check_starts(&mut self, seen: &Seen) {
        let mut found = Vec::new();
        for (start, (first, last)) in &self.starts {
            let (tick, now) = (seen.tick, seen.start);
            if *start < now && tick <= *last {
                found.push(format!(
                    "start {now} published tick {tick} though start {start} had published {last}"
                ));
            }
            if *start > now && tick >= *first {
                found.push(format!(
                    "start {start} published tick {first} though start {now} had published {tick}"
                ));
            }
        }
        found.into_iter().for_each(|each| self.object(each));
    }

    /// Offsets never go back from a tick to a later one, whoever published them.
    fn check_offsets(&mut self, seen: &Seen) {
        let before = self.offsets.range(..=seen.tick).next_back();
        let after = self.offsets.range(seen.tick..).next();
        let mut found = Vec::new();
        let mut ascend = |low: (u64, &BTreeMap<String, i64>),
                          high: (u64, &BTreeMap<String, i64>)| {
            for (partition, then) in low.1 {
                if high.1.get(partition) < Some(then) {
                    found.push(format!(
                        "{partition} is at {then} in tick {} and at {:?} in tick {} (start {}, \
                         process {})",
                        low.0,
                        high.1.get(partition),
                        high.0,
                        seen.start,
                        seen.process
                    ));
                }
            }
        };
        let here = (seen.tick, &seen.offsets);
        before
            .into_iter()
            .for_each(|(tick, offsets)| ascend((*tick, offsets), here));
        after
            .into_iter()
            .for_each(|(tick, offsets)| ascend(here, (*tick, offsets)));
        // The same tick is its own neighbour on both sides.
        found.sort();
        found.dedup();
        found.into_iter().for_each(|each| self.object(each));
    }

    /// One tick says the same everywhere.
    fn check_print(&mut self, seen: &Seen) {
        let key = (seen.tick, seen.contest.clone());
        let Some((print, process)) = self.prints.get(&key) else {
            return;
        };
        if *print != seen.print {
            let objection = format!(
                "processes {process} and {} show {} differently in tick {} (start {})",
                seen.process, seen.contest, seen.tick, seen.start
            );
            self.object(objection);
        }
    }

    fn take(&mut self, seen: Seen) {
        let span = self
            .starts
            .entry(seen.start)
            .or_insert((seen.tick, seen.tick));
        *span = (span.0.min(seen.tick), span.1.max(seen.tick));
        self.offsets.entry(seen.tick).or_insert(seen.offsets);
        let key = (seen.tick, seen.contest);
        self.prints.entry(key).or_insert((seen.print, seen.process));
    }

    fn object(&mut self, objection: String) {
        if self.objections.len() < OBJECTIONS_MAX {
            self.objections.push(objection);
        }
    }
}
