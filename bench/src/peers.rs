//! Others that count the same topic: the single-threaded loop, and what people would pick.
//!
//! Each is a program that takes the same arguments and says in a line of JSON what it found. The
//! loop is this program itself; the peers are `bench/peers/<name>/run`, installed by `setup`
//! beside it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::race::{Contestant, Finish};
use crate::stage::Stage;
use crate::topic::Topic;
use crate::usage::{self, Usage};

/// How often a running peer's processor time and memory are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A peer is a tenth as fast, and each of its runs takes as long as all others together.
const PEER_RUNS_MAX: usize = 2;

/// How long one may take to start and to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many of its last lines an error repeats.
const LOG_LINES_MAX: usize = 20;

/// Who counts fewer votes a second is not waited for.
const RATE_LEAST: u64 = 5_000;

/// The single-threaded loop.
pub struct Loop;

/// What people would pick.
pub struct Peer {
    name: String,
    home: PathBuf,
    threads: u32,
}

/// What each says in the end.
#[derive(Debug, Deserialize)]
struct Answer {
    version: String,
    seconds: f64,
    seconds_from_first: Option<f64>,
    messages: u64,
    right: bool,
    cpu_seconds: Option<f64>,
    rss_bytes: Option<f64>,
    #[serde(default)]
    settings: serde_json::Value,
    #[serde(default)]
    does_less: String,
}

impl Peer {
    /// All that are there, installed.
    pub fn all(threads: u32) -> anyhow::Result<Vec<Peer>> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut found = Vec::new();
        for entry in fs::read_dir(peers).into_iter().flatten() {
            let home = entry?.path();
            if !home.join("run").exists() {
                continue;
            }
            let name = home.file_name().unwrap_or_default().to_string_lossy();
            let name = name.into_owned();
            eprintln!("installing {name}");
            let mut setup = Command::new(home.join("setup"));
            let status = setup.stdin(Stdio::null()).stdout(io::stderr()).status();
            let status = status.with_context(|| format!("running the setup of {name}"))?;
            if !status.success() {
                eprintln!("{name} could not be installed, and is left out");
                continue;
            }
            found.push(Peer {
                name,
                home,
                threads,
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

impl Contestant for Loop {
    fn name(&self) -> String {
        "loop".to_string()
    }

    fn run(&self, stage: &Stage, topic: &Topic) -> anyhow::Result<Finish> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        let (answer, _) = answer(command.arg("loop"), stage, topic, 1)?;
        Ok(answer.finish(topic.messages, Usage::default()))
    }
}

impl Contestant for Peer {
    fn name(&self) -> String {
        format!("{} x{}", self.name, self.threads)
    }

    fn is_guest(&self) -> bool {
        true
    }

    fn runs_max(&self) -> usize {
        PEER_RUNS_MAX
    }

    fn run(&self, stage: &Stage, topic: &Topic) -> anyhow::Result<Finish> {
        let mut command = Command::new(self.home.join("run"));
        let (answer, usage) = answer(&mut command, stage, topic, self.threads)?;
        let (version, settings) = (answer.version.clone(), answer.settings.clone());
        let mut finish = answer.finish(topic.messages, usage);
        finish
            .remarks
            .push(format!("version {version}, settings {settings}"));
        Ok(finish)
    }
}

impl Answer {
    fn finish(self, messages: u64, seen: Usage) -> Finish {
        let mut differences = Vec::new();
        if self.messages != messages {
            differences.push("messages".to_string());
        }
        if !self.right {
            differences.push("counts".to_string());
        }
        let less = &self.does_less;
        let does_less = (!less.is_empty()).then(|| format!("does less: {less}"));
        Finish {
            seconds: self.seconds,
            from_first_seconds: self.seconds_from_first,
            cpu_seconds: self.cpu_seconds.or(Some(seen.cpu_seconds)),
            rss_peak_bytes: self.rss_bytes.or(Some(seen.rss_peak_bytes)),
            differences,
            remarks: does_less.into_iter().collect(),
        }
    }
}

/// Runs a program to its end; gives its answer, and what it was seen to use.
fn answer(
    command: &mut Command,
    stage: &Stage,
    topic: &Topic,
    threads: u32,
) -> anyhow::Result<(Answer, Usage)> {
    let log = stage.path("peer.log");
    command
        .args(["--bootstrap", &stage.broker.address()])
        .args(["--topic", &topic.name])
        .args(["--messages", &topic.messages.to_string()])
        .arg("--expect")
        .arg(&topic.expect)
        .args(["--threads", &threads.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).context("making a log file")?);
    let mut child = Leashed(
        command
            .spawn()
            .with_context(|| format!("running {command:?}"))?,
    );
    let mut stdout = child.0.stdout.take().context("a program without output")?;
    // Read beside, so that one that says much is not held up.
    let reader = thread::spawn(move || {
        let mut said = String::new();
        stdout.read_to_string(&mut said).map(|_| said)
    });
    let mut usage = Usage::default();
    let deadline = Instant::now() + PATIENCE + Duration::from_secs(topic.messages / RATE_LEAST);
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        ensure!(Instant::now() < deadline, "{command:?} takes too long");
        usage = usage.or_more(Usage::of(child.0.id()));
        thread::sleep(LOOK_EVERY);
    };
    let said = reader.join().ok().context("reading what it says")??;
    ensure!(
        status.success(),
        "{command:?} has failed:\n{said}\n{}",
        last_lines(&log)
    );
    let line = said.lines().rev().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("{command:?} said no result:\n{said}"))?;
    Ok((
        serde_json::from_str(line).context("reading a result")?,
        usage,
    ))
}

/// What it has said last on standard error.
fn last_lines(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
}

/// A process that, with all that it has started, does not outlive this one's interest in it.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // Its number is still its own: it is waited for below at last.
        if matches!(self.0.try_wait(), Ok(None)) {
            let family = usage::family(self.0.id());
            let pids = family.iter().map(u32::to_string);
            let _ = Command::new("kill").arg("-KILL").args(pids).status();
        }
        let _ = self.0.wait();
    }
}
