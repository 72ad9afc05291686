//! One run of the whole core, from nothing or from what an earlier run has kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use timely::Config;
use timely::worker::Worker;

use super::{Part, Settings, Step};
use crate::directory::Directory;
use crate::engine::{Carried, Engine, Keep, Mark, Position, Settings as EngineSettings};
use crate::kept::Kept;
use crate::register::Register;
use crate::view::{Publication, Snapshot, ViewSettings};

/// How long a worker that has nothing to do sleeps when no other wakes it.
const PARK: Option<Duration> = Some(Duration::from_millis(1));

/// What a run leaves behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Saved {
    register: Option<Arc<Register>>,
    tick: u64,
    carried: Carried,
    kept: Vec<(Arc<Directory>, Vec<Kept>)>,
    positions: Vec<Position>,
}

struct Run {
    workers: usize,
    partitions: u32,
    settings: Settings,
    steps: Vec<Step>,
    lost: Vec<Step>,
    before: Option<Saved>,
    published: Mutex<Vec<Publication>>,
    saved: Mutex<Saved>,
}

/// Runs the steps; gives what each tick publishes, and what the next run goes on from.
pub(super) fn run(
    partitions: u32,
    settings: Settings,
    part: Part,
    before: Option<Saved>,
) -> (Vec<Publication>, Saved) {
    let workers = part.workers;
    let run = Arc::new(Run {
        workers,
        partitions,
        settings,
        steps: part.steps,
        lost: part.lost,
        saved: Mutex::new(before.clone().unwrap_or_default()),
        before,
        published: Mutex::default(),
    });
    let shared = Arc::clone(&run);
    let guards = timely::execute(Config::process(workers), move |worker| shared.work(worker))
        .expect("threads can be started");
    for guard in guards.join() {
        guard.expect("no worker panics");
    }
    let run = Arc::into_inner(run).expect("all workers have ended");
    let whole = PoisonError::into_inner;
    (
        run.published.into_inner().unwrap_or_else(whole),
        run.saved
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    )
}

impl Run {
    fn work(&self, worker: &mut Worker) {
        let index = worker.index();
        let settings = EngineSettings {
            hash_key: *b"a key for tests.",
            lateness_ms: self.settings.lateness_ms,
            format: Arc::default(),
            workers_per_process: self.workers,
            restores: self.before.is_some(),
            keeps: true,
        };
        let mut engine = Engine::new(worker, settings);
        let mut snapshot = Arc::new(Snapshot::empty(ViewSettings {
            topic: "votes".into(),
            lateness_ms: self.settings.lateness_ms,
            horizon_ms: self.settings.horizon_ms,
        }));
        match &self.before {
            None => self.begin(&mut engine, index),
            Some(before) => {
                self.restore(&mut engine, index, before);
                engine.close_at(before.tick, Mark::Restored);
                self.follow(&mut engine, &mut snapshot, |_| {});
            }
        }
        for (at, step) in self.steps.iter().enumerate() {
            let is_last = at + 1 == self.steps.len();
            self.take(&mut engine, index, step);
            let mark = if is_last {
                Mark::Checkpoint(1)
            } else {
                Mark::None
            };
            engine.close_at(step.tick, mark);
            self.follow(&mut engine, &mut snapshot, |publication| {
                if index == 0 {
                    self.published().push(publication);
                }
            });
        }
        let cut = Arc::clone(&snapshot);
        for step in &self.lost {
            self.take(&mut engine, index, step);
            engine.close_at(step.tick, Mark::None);
            self.follow(&mut engine, &mut snapshot, |_| {});
        }
        self.save(&mut engine, index, &cut);
    }

    fn begin(&self, engine: &mut Engine, index: usize) {
        for partition in (0..self.partitions).filter(|p| *p as usize % self.workers == index) {
            engine.begin(partition, 0);
        }
    }

    fn restore(&self, engine: &mut Engine, index: usize, before: &Saved) {
        let is_mine = |position: &&Position| position.partition as usize % self.workers == index;
        before
            .positions
            .iter()
            .filter(is_mine)
            .for_each(|position| engine.resume(position));
        if let Some(register) = before.register.as_ref().filter(|_| index == 0) {
            engine.adopt(register);
        }
        while !engine.has_register() {
            engine.step(PARK);
        }
        let directory = Arc::clone(engine.directory());
        let all = before
            .kept
            .iter()
            .flat_map(|(from, kept)| kept.iter().map(move |kept| (from, kept)));
        // Dealt out as they come: it must not matter who takes an event again.
        for (_, (from, kept)) in all.enumerate().filter(|(at, _)| at % self.workers == index) {
            let kept = kept.renumbered(from.numbering(), directory.numbering());
            engine.restore(kept.event);
        }
        engine.restored((index == 0).then_some(&before.carried));
    }

    fn take(&self, engine: &mut Engine, index: usize, step: &Step) {
        if let Some(register) = step.register.as_ref().filter(|_| index == 0) {
            engine.adopt(register);
        }
        while !engine.has_register() {
            engine.step(PARK);
        }
        for (partition, offset, log_time_ms, bytes) in &step.messages {
            if *partition as usize % self.workers == index {
                // What is refused is counted; nobody keeps it here.
                let _ = engine.take(*partition, *offset, *log_time_ms, bytes);
            }
        }
    }

    fn follow(
        &self,
        engine: &mut Engine,
        snapshot: &mut Arc<Snapshot>,
        mut publish: impl FnMut(Publication),
    ) {
        while engine.ticks_in_flight() > 0 {
            for closed in engine.step(PARK) {
                let publication = snapshot.apply(closed);
                *snapshot = Arc::clone(&publication.snapshot);
                publish(publication);
            }
        }
    }

    /// Hands over everything up to the checkpoint.
    fn save(&self, engine: &mut Engine, index: usize, snapshot: &Snapshot) {
        let is_fresh = self.before.is_none();
        let mut kept = Vec::new();
        let positions = loop {
            match engine.next_keep() {
                Some(Keep::Events(events)) => kept.push((Arc::clone(engine.directory()), events)),
                Some(Keep::Cut { positions, .. }) => break positions,
                None => {
                    engine.step(PARK);
                }
            }
        };
        let mut saved = self.saved();
        saved.kept.extend(kept);
        if !is_fresh {
            saved
                .positions
                .retain(|old| positions.iter().all(|new| new.partition != old.partition));
        }
        saved.positions.extend(positions);
        if index == 0 {
            let last = self
                .steps
                .iter()
                .rev()
                .find_map(|step| step.register.clone());
            saved.register = last.or_else(|| saved.register.take());
            saved.tick = snapshot.tick();
            saved.carried = snapshot.carried();
        }
    }

    fn published(&self) -> std::sync::MutexGuard<'_, Vec<Publication>> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn saved(&self) -> std::sync::MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
