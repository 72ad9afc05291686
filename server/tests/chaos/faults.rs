//! Faults, done to the service and to what it stands on.
//!
//! A fault counts only if it really happened: the signal was delivered, the bytes are others, the
//! new register is in force. What the service makes of it is watched elsewhere.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::ask;
use crate::damage::damage;
use crate::plan::Fault;
use crate::seed::{END_WITHIN, PEERS_END_WITHIN, Run};
use crate::service::signal;
use crate::topic;

/// How long something is paused.
const PAUSE_MS: (i64, i64) = (300, 3_000);

/// How long after a start it is killed again.
const STARTING_MS: (i64, i64) = (10, 400);

/// How long a killed broker stays away.
const AWAY_MS: (i64, i64) = (0, 1_500);

/// How long no file can grow: two checkpoints and more.
const FULL_MS: (i64, i64) = (1_200, 2_000);

/// How large files can grow meanwhile, in bytes.
const FULL_BYTES: u32 = 1_024;

/// After the broker was away, or the disk full, the service may end by itself for so long.
const EXCUSED: Duration = Duration::from_secs(30);

/// How long something new may take to be in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);

/// How long a first file of a checkpoint may take.
const FILES_WITHIN: Duration = Duration::from_secs(15);

/// What a fault came to: in words, or not at all.
type Happened = anyhow::Result<Option<String>>;

impl Run<'_> {
    /// Lets a fault happen.
    pub(crate) fn fire(&mut self, fault: Fault) -> anyhow::Result<()> {
        if fault != Fault::KillStarting {
            self.await_ready()?;
        }
        let happened = match fault {
            Fault::KillOne => self.kill_one(),
            Fault::KillAll => self.kill_all(),
            Fault::KillStarting => self.kill_starting(),
            Fault::PauseProcess => self.pause_process(),
            Fault::PauseBroker => self.pause_broker(),
            Fault::KillBroker => self.kill_broker(),
            Fault::DamageUp => self.damage_up(),
            Fault::DamageDown => self.damage_down(),
            Fault::Full => self.full(),
            Fault::Reshape => self.reshape(),
            Fault::Register => self.change_register(),
            Fault::Partitions => self.add_partitions(),
        };
        match happened? {
            Some(words) => {
                *self.outcome.faults.entry(fault).or_default() += 1;
                self.note(format!("{}: {words}", fault.words()));
            }
            None => self.note(format!("{}: did not come about", fault.words())),
        }
        Ok(())
    }

    fn kill_one(&mut self) -> Happened {
        let process = self.dice.below(self.service.len() as u64) as usize;
        self.service.kill(process)?;
        let (endings, late) = self.service.bury(PEERS_END_WITHIN)?;
        self.check_end(&endings, &late);
        self.start_again()?;
        Ok(Some(format!("process {process}")))
    }

    fn kill_all(&mut self) -> Happened {
        let processes = self.service.len();
        self.kill_and_bury()?;
        self.start_again()?;
        Ok(Some(format!("{processes} of them")))
    }

    fn kill_starting(&mut self) -> Happened {
        self.kill_and_bury()?;
        self.start_again()?;
        let after = self.roll(STARTING_MS);
        std::thread::park_timeout(after);
        let all = self.board.all();
        let was_ready = all.is_some_and(|all| all.iter().all(|each| ask::is_ready(*each)));
        self.kill_and_bury()?;
        self.start_again()?;
        Ok((!was_ready).then(|| format!("after {after:?}")))
    }

    fn kill_and_bury(&mut self) -> anyhow::Result<()> {
        self.service.kill_all()?;
        let (endings, _) = self.service.bury(END_WITHIN)?;
        self.check_end(&endings, &[]);
        Ok(())
    }

    fn pause_process(&mut self) -> Happened {
        let pids = self.service.pids();
        let (pid, pause) = (*self.dice.pick(&pids), self.roll(PAUSE_MS));
        paused(pid, pause)?;
        Ok(Some(format!("for {pause:?}")))
    }

    fn pause_broker(&mut self) -> Happened {
        let pause = self.roll(PAUSE_MS);
        paused(self.broker.pid(), pause)?;
        self.excused_until = Instant::now() + EXCUSED;
        Ok(Some(format!("for {pause:?}")))
    }

    fn kill_broker(&mut self) -> Happened {
        let away = self.roll(AWAY_MS);
        self.broker.kill();
        std::thread::park_timeout(away);
        self.broker.start_again();
        self.excused_until = Instant::now() + EXCUSED;
        Ok(Some(format!("away for {away:?} and its start")))
    }

    fn damage_up(&mut self) -> Happened {
        let damage = self.damage()?;
        self.kill_and_bury()?;
        self.start_again()?;
        Ok(Some(damage))
    }

    fn damage_down(&mut self) -> Happened {
        self.wait_for_files()?;
        if self.dice.once_in(2) {
            self.end_in_order()?;
        } else {
            self.kill_and_bury()?;
        }
        let directory = self.service.setup().checkpoints();
        let damage = damage(&directory, &mut self.dice)?;
        self.damaged |= damage.is_some();
        self.start_again()?;
        Ok(damage)
    }

    fn wait_for_files(&mut self) -> anyhow::Result<()> {
        let directory = self.service.setup().checkpoints();
        self.wait("a first file of a checkpoint", FILES_WITHIN, |_| {
            let files = crate::damage::files(&directory);
            Ok((!files.is_empty()).then_some(()))
        })
    }

    fn damage(&mut self) -> anyhow::Result<String> {
        let directory = self.service.setup().checkpoints();
        // Set first, since the service may meet the damage at once.
        self.damaged = true;
        self.wait("a file of a checkpoint to damage", FILES_WITHIN, |run| {
            damage(&directory, &mut run.dice)
        })
    }

    /// No file can grow beyond some bytes, so that writes fail in the middle, as on a full disk.
    fn full(&mut self) -> Happened {
        let pids = self.service.pids();
        let hold = self.roll(FULL_MS);
        self.excused_until = Instant::now() + hold + EXCUSED;
        for pid in &pids {
            limit_file_size(*pid, &FULL_BYTES.to_string())?;
        }
        let until = Instant::now() + hold;
        self.wait(
            "the disk to be full for a while",
            hold * 2 + EXCUSED,
            |_| Ok((Instant::now() >= until).then_some(())),
        )?;
        // A start meanwhile has no limits.
        for pid in self.service.pids() {
            if pids.contains(&pid) {
                limit_file_size(pid, "unlimited")?;
            }
        }
        Ok(Some(format!("for {hold:?}")))
    }

    fn reshape(&mut self) -> Happened {
        let before = self.service.shape();
        self.end_in_order()?;
        let shape = before.other(&mut self.dice, self.options.processes_max);
        self.start(shape, &[])?;
        Ok(Some(format!("{before:?}, then {shape:?}")))
    }

    /// Asks the service to end, which it does within seconds.
    fn end_in_order(&mut self) -> anyhow::Result<()> {
        self.service.terminate()?;
        let (endings, late) = self.service.bury(END_WITHIN)?;
        self.check_end(&endings, &late);
        // Of several, one may find its peer gone before it has ended itself.
        if let [ending] = endings.as_slice()
            && !ending.status.success()
        {
            let status = ending.status;
            self.object(format!(
                "the service was asked to end and did so with {status}"
            ));
        }
        Ok(())
    }

    fn change_register(&mut self) -> Happened {
        if self.in_force + 1 == self.registers.len() {
            return Ok(None);
        }
        self.in_force += 1;
        self.write_register()?;
        let version = self.registers[self.in_force].version();
        self.wait("a new register to be in force", IN_FORCE_WITHIN, |run| {
            let statuses = run.statuses();
            let same = |status: &serde_json::Value| status["register_version"] == *version;
            Ok(statuses.iter().any(same).then_some(()))
        })?;
        Ok(Some(format!("to {version}")))
    }

    fn add_partitions(&mut self) -> Happened {
        let partitions = self.partitions + self.dice.between(1, 2) as usize;
        topic::grow(&self.broker.address(), &self.plan.topic, partitions)?;
        self.partitions = partitions;
        self.wait("new partitions to be seen", IN_FORCE_WITHIN, |run| {
            let seen = |status: &serde_json::Value| {
                let seen = status["partitions"].as_array();
                seen.is_some_and(|seen| seen.len() == partitions)
            };
            let statuses = run.statuses();
            Ok((!statuses.is_empty() && statuses.iter().all(seen)).then_some(()))
        })?;
        Ok(Some(format!("{partitions} now")))
    }

    /// The status of every process that gives one.
    pub(crate) fn statuses(&self) -> Vec<serde_json::Value> {
        let addresses = self.board.all().unwrap_or_default();
        let statuses = addresses.iter().map(|address| ask::status(*address));
        statuses.filter_map(Result::ok).collect()
    }

    fn roll(&mut self, (low_ms, high_ms): (i64, i64)) -> Duration {
        Duration::from_millis(self.dice.between(low_ms, high_ms) as u64)
    }
}

/// Stops a process for a while; the time is the fault.
fn paused(pid: u32, pause: Duration) -> anyhow::Result<()> {
    signal("STOP", pid)?;
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    signal("CONT", pid)
}

/// Sets the size beyond which no file of a process can grow.
fn limit_file_size(pid: u32, size: &str) -> anyhow::Result<()> {
    let limited = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--fsize={size}:")])
        .status()
        .context("running prlimit, which is part of util-linux")?;
    anyhow::ensure!(limited.success(), "limiting the files of {pid} failed");
    Ok(())
}
