//! The service as a process: started with the real command line, asked over HTTP, ended.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::leash::Leash;
use crate::stage::Stage;
use crate::topic::Topic;
use crate::usage::{self, Usage};

/// What a process says on standard output once it listens.
const LISTENS: &str = "tallyflow listens on ";

/// What it logs once all that there was is counted.
const CAUGHT_UP: &str = "caught up;";

/// How often the count is asked for: seldom enough to cost nothing, and often enough that what
/// is measured in seconds is not off by a percent.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// How long anything may take that is not a matter of how many votes there are.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many of its last lines an error repeats.
const LOG_LINES_MAX: usize = 20;

/// How the service is started.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Threads of each process.
    pub workers: u32,
    /// Processes, all on this machine.
    pub processes: u32,
    /// Further flags.
    pub flags: Vec<String>,
    /// Which build is started.
    pub build: Build,
}

/// A build of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// The one that is measured.
    #[default]
    Measured,
    /// The one that it is compared with, see `--before`.
    Before,
}

impl Shape {
    /// One process.
    pub fn workers(workers: u32) -> Shape {
        Shape {
            workers,
            processes: 1,
            flags: Vec::new(),
            build: Build::Measured,
        }
    }

    /// The same of the build that is compared with.
    pub fn before(self) -> Shape {
        Shape {
            build: Build::Before,
            ..self
        }
    }

    /// The same with a flag.
    pub fn with(mut self, flag: &str) -> Shape {
        self.flags.push(flag.to_string());
        self
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.build {
            Build::Measured => "tallyflow",
            Build::Before => "before",
        };
        write!(f, "{name} -w {}", self.workers)?;
        if self.processes > 1 {
            write!(f, " -n {}", self.processes)?;
        }
        self.flags.iter().try_for_each(|flag| write!(f, " {flag}"))
    }
}

/// A running service, with all its processes; killed when dropped.
pub struct Service {
    child: Child,
    agent: ureq::Agent,
    url: String,
    log: PathBuf,
    started_at: Instant,
    /// Its processes, for the leash.
    held: Vec<u32>,
    leash: Arc<Leash>,
}

impl Service {
    /// Starts it on a topic, with a data directory of the given name, and waits until it listens.
    pub fn start(
        stage: &Stage,
        topic: &Topic,
        shape: &Shape,
        data: &str,
    ) -> anyhow::Result<Service> {
        let mut command = stage.command(stage.service(shape.build)?);
        command.args(["-w", &shape.workers.to_string()]);
        if shape.processes > 1 {
            command.args(["-n", &shape.processes.to_string(), "--local-cluster"]);
        }
        if !shape.flags.iter().any(|flag| flag.starts_with("--listen")) {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
            .args(["--kafka", &stage.broker.address()])
            .args(["--topic", &topic.name])
            .arg("--register")
            .arg(&topic.register)
            .arg("--data")
            .arg(stage.path(data))
            .args(&shape.flags);
        let log = stage.path(&format!("{data}.log"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context("making a log file")?);
        let started_at = Instant::now();
        let mut child = command.spawn().context("starting the service")?;
        let stdout = child.stdout.take().context("the service has no output")?;
        let mut service = Service {
            child,
            agent: agent(),
            url: String::new(),
            log,
            started_at,
            held: Vec::new(),
            leash: Arc::clone(&stage.leash),
        };
        service.hold()?;
        match listen(stdout).recv_timeout(PATIENCE) {
            Ok(url) => service.url = url,
            Err(_) => bail!("the service did not start:\n{}", service.log()),
        }
        // By now there are all.
        service.hold()?;
        Ok(service)
    }

    /// When its process was started.
    pub fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or(&self.url)
    }

    /// What it uses, with all its processes.
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// The answer of a route; none while there is none.
    pub fn ask(&self, route: &str) -> anyhow::Result<Option<Value>> {
        let url = format!("{}{route}", self.url);
        let asked = self.agent.get(&url).call();
        let mut answer = asked.with_context(|| format!("asking {route}:\n{}", self.log()))?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(u64::MAX)
            .read_to_vec()?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Whether results are served.
    pub fn is_ready(&self) -> anyhow::Result<bool> {
        let asked = self.agent.get(&format!("{}/readyz", self.url)).call();
        let answer = asked.with_context(|| format!("asking for readiness:\n{}", self.log()))?;
        Ok(answer.status().is_success())
    }

    /// Waits until results are served, and says how long that took since the start.
    pub fn wait_until_ready(&mut self, every: Duration) -> anyhow::Result<Duration> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready()? {
            self.check(deadline)?;
            thread::sleep(every);
        }
        Ok(self.started_at.elapsed())
    }

    /// How many messages are counted.
    pub fn messages(&self) -> anyhow::Result<u64> {
        let status = self.ask("/api/v1/status")?;
        Ok(status
            .and_then(|status| status["messages"].as_u64())
            .unwrap_or(0))
    }

    /// Waits until so many messages are counted and served; gives the instant when they were seen
    /// to be.
    pub fn wait_for(&mut self, messages: u64) -> anyhow::Result<Instant> {
        // A tenth of the slowest rate that would be a result.
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(messages / 10_000);
        while self.messages()? < messages || !self.is_ready()? {
            self.check(deadline)?;
            thread::sleep(ASK_EVERY);
        }
        Ok(Instant::now())
    }

    /// How long it has counted until it had caught up, by its own word: without what comes before
    /// its workers begin.
    pub fn caught_up_seconds(&self) -> Option<f64> {
        let log = fs::read_to_string(&self.log).ok()?;
        let line = log.lines().rev().find(|line| line.contains(CAUGHT_UP))?;
        let (_, seconds) = line.rsplit_once("seconds=")?;
        seconds.split_whitespace().next()?.parse().ok()
    }

    /// What differs between its answers and the expected totals of its topic.
    pub fn differences(&self, expected: &[Value]) -> anyhow::Result<Vec<String>> {
        let mut differences = Vec::new();
        let mut compare = |answer: &Value, expected: &Value, fields: &[&str]| {
            let differs = fields
                .iter()
                .filter(|field| answer[**field] != expected[**field]);
            differences.extend(differs.map(|field| field.to_string()));
        };
        let ask = |route: &str| {
            self.ask(route)?
                .with_context(|| format!("no answer of {route}"))
        };
        let all = expected.iter().fold(Value::Null, |all, one| add(&all, one));
        let status = ask("/api/v1/status")?;
        let outcomes = ["messages", "received", "counts", "set_aside_by"];
        compare(&status, &all, &outcomes);
        compare(&status, &all, &["voids", "duplicates", "refused"]);
        for expected in expected {
            let contest = expected["contest_id"].as_str().context("which contest")?;
            let results = ask(&format!("/api/v1/results?contest={contest}"))?;
            let figures = ["candidates", "blank", "leader", "margin", "conflicts"];
            compare(&results, expected, &figures);
            let locations = ask(&format!("/api/v1/locations?contest={contest}&parent=*"))?;
            compare(&locations, expected, &["locations"]);
        }
        Ok(differences)
    }

    /// Sees that none of its processes outlives this one.
    fn hold(&mut self) -> anyhow::Result<()> {
        for pid in usage::family(self.child.id()) {
            if !self.held.contains(&pid) {
                self.leash.hold(pid)?;
                self.held.push(pid);
            }
        }
        Ok(())
    }

    /// Kills all its processes at once.
    pub fn kill(&mut self) {
        let pids = usage::family(self.child.id());
        // The first one starts the others, and must not do so again.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let rest: Vec<String> = pids.iter().skip(1).map(u32::to_string).collect();
        if !rest.is_empty() {
            let _ = Command::new("kill").arg("-KILL").args(&rest).status();
        }
        for pid in self.held.drain(..) {
            // A leash that is gone holds nobody.
            let _ = self.leash.release(pid);
        }
    }

    fn check(&mut self, deadline: Instant) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?.is_some();
        ensure!(!ended, "the service has ended:\n{}", self.log());
        let has_time = Instant::now() < deadline;
        ensure!(has_time, "the service takes too long:\n{}", self.log());
        Ok(())
    }

    /// What it has said last.
    fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Hears where the service listens. Goes on reading, since a process that cannot say more fails.
fn listen(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(url) = line.trim().strip_prefix(LISTENS) {
                // Of several processes the first to say so is asked.
                let _ = tell.send(url.to_string());
            }
        }
    });
    told
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// Numbers added, and those within objects; of anything else the first.
fn add(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Null, other) => other.clone(),
        (Value::Number(one), Value::Number(other)) => match (one.as_u64(), other.as_u64()) {
            (Some(one), Some(other)) => (one + other).into(),
            _ => one.clone().into(),
        },
        (Value::Object(one), Value::Object(other)) => {
            let mut sum = one.clone();
            for (key, value) in other {
                let added = add(&sum.get(key).cloned().unwrap_or_default(), value);
                sum.insert(key.clone(), added);
            }
            Value::Object(sum)
        }
        _ => one.clone(),
    }
}
