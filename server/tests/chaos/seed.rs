//! The run of one seed: votes flow, faults happen at their moments, and at the end all is counted
//! anew.
//!
//! Owns the service and plays its supervisor: when processes have ended, it starts all again. An
//! end that nothing explains is an objection.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dataflow::register::Register;

use crate::ask;
use crate::board::Board;
use crate::broker::Broker;
use crate::dice::Dice;
use crate::events::{self, Generator};
use crate::feeder::{Fed, Feeder};
use crate::leash::Leash;
use crate::plan::{Plan, Shape, Times};
use crate::registers::{papers, registers};
use crate::report::{Options, Outcome};
use crate::service::{Ending, Service, Setup};
use crate::subscriber::Subscribers;
use crate::topic;
use crate::witness::Witness;

/// The aggregate topics, which have no name of their own for each seed.
pub const AGGREGATES: [&str; 2] = [
    "aggregated_votes_per_candidate",
    "aggregated_turnout_by_location",
];

/// How long the service may take until it serves results.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long all events may take to be sent, with all that happens meanwhile.
const FED_WITHIN: Duration = Duration::from_secs(180);

/// How long the other processes may go on once one has ended.
pub const PEERS_END_WITHIN: Duration = Duration::from_secs(10);

/// How long the service may take to end when it is asked to.
pub const END_WITHIN: Duration = Duration::from_secs(15);

/// How often in a row the service may end before it was ready.
const FAILED_STARTS_MAX: u32 = 10;

/// How long a condition is left alone before it is looked at again.
const LOOK: Duration = Duration::from_millis(10);

/// A seed under way.
pub struct Run<'a> {
    pub(crate) plan: Plan,
    pub(crate) options: &'a Options,
    pub(crate) broker: &'a mut Broker,
    pub(crate) service: Service,
    pub(crate) board: Arc<Board>,
    pub(crate) witness: Arc<Witness>,
    /// For what faults do, as opposed to when.
    pub(crate) dice: Dice,
    pub(crate) registers: Vec<Register>,
    /// The register that the file holds.
    pub(crate) in_force: usize,
    pub(crate) partitions: usize,
    /// Whether a file of the checkpoint was ever damaged; any later start may meet it.
    pub(crate) damaged: bool,
    /// Until when the service may end by itself, since what it stands on was away.
    pub(crate) excused_until: Instant,
    failed_starts: u32,
    begun: Instant,
    pub(crate) outcome: Outcome,
}

/// Runs a seed and says what came of it.
pub fn run(
    seed: u64,
    options: &Options,
    home: &Path,
    broker: &mut Broker,
    leash: &Arc<Leash>,
) -> Outcome {
    let plan = Plan::new(seed, options.processes_max);
    let begun = Instant::now();
    let (board, witness) = (Arc::<Board>::default(), Arc::<Witness>::default());
    let setup = Setup {
        binary: options.binary.clone(),
        home: home.to_path_buf(),
        kafka: broker.address(),
        topic: plan.topic.clone(),
        lateness_ms: plan.lateness_ms,
    };
    let mut run = Run {
        dice: Dice::new(seed, "what faults do"),
        partitions: plan.partitions,
        service: Service::new(setup, Arc::clone(&board), Arc::clone(leash)),
        plan,
        options,
        broker,
        board,
        witness,
        registers: Vec::new(),
        in_force: 0,
        damaged: false,
        excused_until: begun,
        failed_starts: 0,
        begun,
        outcome: Outcome::new(seed),
    };
    let base_ms = crate::now_ms();
    if let Err(error) = run.whole(base_ms) {
        run.object(format!("the run could not go on: {error:#}"));
    }
    let mut outcome = run.outcome;
    outcome.events = run.plan.events;
    outcome.frames = run.witness.frames();
    outcome.statuses = run.witness.statuses();
    outcome.objections.extend(run.witness.objections());
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome
}

impl Run<'_> {
    fn whole(&mut self, base_ms: i64) -> anyhow::Result<()> {
        let generator = self.prepare(base_ms)?;
        let contests = papers(&self.registers)
            .into_iter()
            .map(|paper| paper.contest);
        let subscribers = Subscribers::start(
            &self.board,
            &self.witness,
            self.options.processes_max.into(),
            &contests.collect::<Vec<_>>(),
            &self.plan.intervals_ms,
        )?;
        let came = self.votes_and_faults(base_ms, generator);
        // Streams end with the service, so it ends before its subscribers, come what may.
        let ended = self
            .service
            .terminate()
            .and_then(|()| self.service.bury(END_WITHIN));
        subscribers.end();
        came?;
        let (endings, late) = ended?;
        self.check_end(&endings, &late);
        Ok(())
    }

    /// Makes the topic, the register and the first start.
    fn prepare(&mut self, base_ms: i64) -> anyhow::Result<Generator> {
        let plan = &self.plan;
        let kafka = self.broker.address();
        topic::delete(&kafka, &AGGREGATES)?;
        let append = plan.times == Times::Append;
        topic::create(&kafka, &plan.topic, plan.partitions, append)?;
        let voters = events::voters(plan.seed, plan.events);
        self.registers = registers(plan.seed, base_ms, &voters);
        let papers = papers(&self.registers);
        let default = self.registers[0].default_contest();
        let generator = Generator::new(plan.seed, base_ms, plan.events, papers, default);
        fs::create_dir_all(self.service.setup().checkpoints())?;
        self.write_register()?;
        let shape = self.plan.shape;
        self.note(format!("starts with {shape:?}: {:?}", self.plan));
        self.service.start(shape, &[])?;
        Ok(generator)
    }

    fn votes_and_faults(&mut self, base_ms: i64, generator: Generator) -> anyhow::Result<()> {
        self.await_ready()?;
        let kafka = self.broker.address();
        let feeder = Feeder::start(&self.plan, &kafka, base_ms, generator, &self.board)?;
        let came = self.faults(&feeder);
        if came.is_err() {
            feeder.stop();
        }
        let fed = feeder.join();
        came?;
        let fed = fed?;
        self.note(format!(
            "all votes are sent, with {} transactions committed and {} aborted, {} votes \
             acknowledged over HTTP",
            fed.committed,
            fed.aborted,
            fed.posted.acknowledged.len()
        ));
        self.end(fed)
    }

    fn faults(&mut self, feeder: &Feeder) -> anyhow::Result<()> {
        for moment in self.plan.faults.clone() {
            self.wait("the moment of a fault", FED_WITHIN, |_| {
                let ended = feeder.has_ended();
                Ok((ended || feeder.sent() >= moment.after).then_some(()))
            })?;
            self.fire(moment.fault)
                .with_context(|| moment.fault.words())?;
        }
        self.wait("the end of the votes", FED_WITHIN, |_| {
            Ok(feeder.has_ended().then_some(()))
        })
    }

    /// Judges what is there, and once more after a last restart.
    fn end(&mut self, fed: Fed) -> anyhow::Result<()> {
        self.outcome.acknowledged = fed.posted.acknowledged.len();
        self.outcome.transactions = (fed.committed, fed.aborted);
        fed.posted
            .objections
            .into_iter()
            .for_each(|each| self.object(each));
        self.judge("at the end", &fed.posted.acknowledged)?;
        self.service.kill_all()?;
        self.service.bury(END_WITHIN)?;
        let shape = self
            .service
            .shape()
            .other(&mut self.dice, self.options.processes_max);
        self.start(shape, &[])?;
        self.await_ready()?;
        self.judge("after a last restart", &fed.posted.acknowledged)
    }

    /// Asks until there is an answer, and tends to the service meanwhile.
    pub(crate) fn wait<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut ask: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + within;
        loop {
            self.tend()?;
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            ensure!(
                Instant::now() < deadline,
                "waited {within:?} in vain for {what}"
            );
            std::thread::park_timeout(LOOK);
        }
    }

    /// Waits until all processes serve results.
    pub(crate) fn await_ready(&mut self) -> anyhow::Result<()> {
        self.wait("the service to be ready", READY_WITHIN, |run| {
            let all = run
                .board
                .all()
                .filter(|all| all.iter().all(|each| ask::is_ready(*each)));
            Ok(all.map(|_| ()))
        })?;
        self.failed_starts = 0;
        Ok(())
    }

    /// Starts the service, all processes of which have ended.
    pub(crate) fn start(&mut self, shape: Shape, flags: &[&str]) -> anyhow::Result<()> {
        self.outcome.restarts += 1;
        self.note(format!("starts again with {shape:?} {}", flags.join(" ")));
        self.service.start(shape, flags)
    }

    /// Starts the service with any shape.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        let shape = Shape::roll(&mut self.dice, self.options.processes_max);
        self.start(shape, &[])
    }

    /// Does what a supervisor does once a process has ended by itself.
    pub(crate) fn tend(&mut self) -> anyhow::Result<()> {
        if !self.service.has_ended() {
            return Ok(());
        }
        let (endings, late) = self.service.bury(PEERS_END_WITHIN)?;
        let words: Vec<&str> = endings.iter().map(|ending| ending.words.as_str()).collect();
        let words = words.join("\n");
        let recount = words.contains("--recount");
        // Where one does not begin to count, the others wait for it: it may be started again.
        let late = if recount { &[] } else { &late[..] };
        self.check_end(&endings, late);
        self.outcome.own_ends += 1;
        let explained = match recount {
            true => self.damaged,
            false if Instant::now() < self.excused_until => true,
            false => self.damaged && words.contains("checkpoint"),
        };
        let said = format!("the service has ended by itself: {}", summary(&endings));
        if explained {
            self.note(said);
        } else {
            self.object(said);
        }
        self.failed_starts += 1;
        ensure!(
            self.failed_starts <= FAILED_STARTS_MAX,
            "the service has ended {FAILED_STARTS_MAX} times before it was ready"
        );
        // A supervisor leaves more time after each failure.
        std::thread::park_timeout(LOOK * 2u32.pow(self.failed_starts.min(6)));
        match recount {
            true => self.start(self.service.shape(), &["--recount"]),
            false => self.start_again(),
        }
    }

    /// Objects to processes that outlive others, and to panics.
    pub(crate) fn check_end(&mut self, endings: &[Ending], late: &[usize]) {
        for process in late {
            self.object(format!(
                "process {process} went on for seconds when it should have ended"
            ));
        }
        for ending in endings.iter().filter(|ending| ending.panicked) {
            // timely's own network threads panic when a peer is gone, and have to.
            if !ending.words.contains("timely_communication") {
                let process = ending.process;
                let words = last_error(&ending.words);
                self.object(format!("process {process} panicked: {words}"));
            }
        }
    }

    pub(crate) fn write_register(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string(&self.registers[self.in_force])?;
        let place = self.service.setup().register();
        // Written beside and renamed, so that no reader sees half of it.
        let beside = place.with_extension("new");
        fs::write(&beside, text).context("writing the register")?;
        fs::rename(beside, place).context("putting the register in place")
    }

    /// Says that something is wrong.
    pub(crate) fn object(&mut self, objection: String) {
        self.note(format!("WRONG: {objection}"));
        self.outcome.objections.push(objection);
    }

    /// Adds to the story of the seed.
    pub(crate) fn note(&mut self, what: String) {
        let line = format!("{:7.2} s  {what}", self.begun.elapsed().as_secs_f64());
        if self.options.verbose {
            eprintln!("{line}");
        }
        self.outcome.story.push(line);
    }
}

fn summary(endings: &[Ending]) -> String {
    let each = endings.iter().map(|ending| {
        let words = last_error(&ending.words);
        format!(
            "process {} with {}, saying: {words}",
            ending.process, ending.status
        )
    });
    each.collect::<Vec<_>>().join("; ")
}

/// The last line that says what was wrong.
fn last_error(words: &str) -> &str {
    let is_error = |line: &&str| {
        ["error", "panicked"]
            .iter()
            .any(|word| line.to_lowercase().contains(word))
    };
    let found = words.lines().rev().find(is_error);
    found
        .or_else(|| words.lines().next_back())
        .unwrap_or("nothing")
}
