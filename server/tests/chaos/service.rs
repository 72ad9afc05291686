//! The service under test: its processes, started with the real command line and ended in every
//! way there is.
//!
//! Knows how to start, signal and bury processes, and what they said last. Whether they may end
//! is not its matter.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::board::Board;
use crate::client::TOKEN;
use crate::events::HORIZON_MS;
use crate::leash::Leash;
use crate::plan::Shape;

/// What the processes of a count share.
const SECRET: &str = "the secret of the chaos test\n";

/// What a process says on standard output once it listens.
const LISTENS: &str = "tallyflow listens on http://";

/// How many of its last lines are kept for a report; all are in its log file.
const LINES_MAX: usize = 60;

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What every start has in common.
pub struct Setup {
    /// The binary.
    pub binary: PathBuf,
    /// The directory of the seed.
    pub home: PathBuf,
    /// The broker.
    pub kafka: String,
    /// The topic of the votes.
    pub topic: String,
    /// `--lateness`.
    pub lateness_ms: i64,
}

impl Setup {
    /// The register's file.
    pub fn register(&self) -> PathBuf {
        self.home.join("register.json")
    }

    /// The checkpoints' directory.
    pub fn checkpoints(&self) -> PathBuf {
        self.home.join("checkpoints")
    }
}

/// The service.
pub struct Service {
    setup: Setup,
    board: Arc<Board>,
    leash: Arc<Leash>,
    processes: Vec<Process>,
    shape: Shape,
    starts: u64,
}

struct Process {
    number: usize,
    child: Child,
    said: Arc<Mutex<Said>>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Said {
    last: VecDeque<String>,
    panicked: bool,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ending {
    /// Which process.
    pub process: usize,
    /// How.
    pub status: ExitStatus,
    /// What it said last.
    pub words: String,
    /// Whether it panicked, which is a bug whatever happened to it.
    pub panicked: bool,
}

impl Service {
    /// A service that does not run yet.
    pub fn new(setup: Setup, board: Arc<Board>, leash: Arc<Leash>) -> Service {
        Service {
            setup,
            board,
            leash,
            processes: Vec::new(),
            shape: Shape {
                workers: 0,
                processes: 0,
            },
            starts: 0,
        }
    }

    /// What every start has in common.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The shape of the last start.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many processes run, or have not been buried.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Starts all processes. None may be left of an earlier start.
    pub fn start(&mut self, shape: Shape, flags: &[&str]) -> anyhow::Result<()> {
        assert_eq!(self.processes.len(), 0, "an earlier start is buried");
        self.starts += 1;
        self.shape = shape;
        self.board.begin(self.starts, shape.processes.into());
        let hostfile = self.setup.home.join("hosts");
        if shape.processes > 1 {
            let hosts = free_addresses(shape.processes.into())?;
            std::fs::write(&hostfile, hosts.join("\n") + "\n").context("writing the host file")?;
            std::fs::write(self.secret(), SECRET).context("writing the secret")?;
        }
        for number in 0..usize::from(shape.processes) {
            let process = self.spawn(number, &hostfile, flags)?;
            self.processes.push(process);
        }
        Ok(())
    }

    fn secret(&self) -> PathBuf {
        self.setup.home.join("cluster.secret")
    }

    fn spawn(&self, number: usize, hostfile: &Path, flags: &[&str]) -> anyhow::Result<Process> {
        let (setup, shape) = (&self.setup, self.shape);
        // A file that may not grow any more is an error that is answered, not a signal that ends
        // the process: so the signal is ignored, which lasts beyond `exec`.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "tallyflow"]);
        command.arg(&setup.binary).current_dir(&setup.home);
        let ours = ["TALLYFLOW_", "KAFKA_", "POSTGRES_"];
        for (name, _) in std::env::vars() {
            if ours.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("TALLYFLOW_TOKEN", TOKEN);
        command.args(["-w", &shape.workers.to_string()]);
        if shape.processes > 1 {
            command.args([
                "-n",
                &shape.processes.to_string(),
                "-p",
                &number.to_string(),
            ]);
            command.arg("--hostfile").arg(hostfile);
            command.arg("--cluster-secret").arg(self.secret());
        }
        command.args(["--listen", "127.0.0.1:0"]);
        command
            .arg("--data")
            .arg(setup.home.join(format!("data-{number}")));
        command.arg("--register").arg(setup.register());
        command.args(["--kafka", &setup.kafka, "--topic", &setup.topic]);
        command.arg("--checkpoints").arg(setup.checkpoints());
        command.arg("--key").arg(self.key()?);
        command.args(["--checkpoint-every", "500ms"]);
        command.args(["--lateness", &format!("{}s", setup.lateness_ms / 1000)]);
        command.args(["--horizon", &format!("{}s", HORIZON_MS / 1000)]);
        command.args(flags);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("starting the service")?;
        self.leash.hold(child.id())?;
        let said = Arc::new(Mutex::new(Said::default()));
        let log = Arc::new(Mutex::new(self.log(number)?));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut readers = Vec::new();
        if let Some(stdout) = stdout {
            readers.push(self.listen(number, stdout, &said, &log));
        }
        if let Some(stderr) = stderr {
            readers.push(self.listen(number, stderr, &said, &log));
        }
        Ok(Process {
            number,
            child,
            said,
            readers,
        })
    }

    /// The key of the hashes of voters, one for all processes and starts.
    fn key(&self) -> anyhow::Result<PathBuf> {
        let path = self.setup.home.join("key");
        if !path.exists() {
            std::fs::write(&path, "the key of a chaos run").context("writing the key")?;
        }
        Ok(path)
    }

    /// The log file of a process, begun anew with each start.
    fn log(&self, number: usize) -> anyhow::Result<File> {
        let name = format!("start-{:02}-process-{number}.log", self.starts);
        File::create(self.setup.home.join(name)).context("making a log file")
    }

    /// Keeps what a process says, and hears where it listens.
    fn listen(
        &self,
        number: usize,
        from: impl Read + Send + 'static,
        said: &Arc<Mutex<Said>>,
        log: &Arc<Mutex<File>>,
    ) -> JoinHandle<()> {
        let (said, log) = (Arc::clone(said), Arc::clone(log));
        let (board, start) = (Arc::clone(&self.board), self.starts);
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix(LISTENS)
                    && let Ok(address) = address.trim().parse()
                {
                    board.listens(start, number, address);
                }
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                // The log is for whoever looks into a failure; the run does without.
                let _ = writeln!(log, "{line}");
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.panicked |= line.contains("panicked at");
                if said.last.len() == LINES_MAX {
                    said.last.pop_front();
                }
                said.last.push_back(line);
            }
        })
    }

    /// Whether a process has ended.
    pub fn has_ended(&mut self) -> bool {
        let ended = |process: &mut Process| !matches!(process.child.try_wait(), Ok(None));
        self.processes.iter_mut().any(ended)
    }

    /// The ids of all processes.
    pub fn pids(&self) -> Vec<u32> {
        self.processes
            .iter()
            .map(|process| process.child.id())
            .collect()
    }

    /// Kills a process at once.
    pub fn kill(&mut self, process: usize) -> anyhow::Result<()> {
        let killed = &mut self.processes[process].child;
        killed.kill().context("killing a process of the service")
    }

    /// Kills all processes at once.
    pub fn kill_all(&mut self) -> anyhow::Result<()> {
        (0..self.processes.len()).try_for_each(|process| self.kill(process))
    }

    /// Asks all processes to end, as an operator does.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.pids()
            .into_iter()
            .try_for_each(|pid| signal("TERM", pid))
    }

    /// Waits until all processes have ended and buries them; those that have not by the deadline
    /// are killed, and named second.
    pub fn bury(&mut self, within: Duration) -> anyhow::Result<(Vec<Ending>, Vec<usize>)> {
        let deadline = Instant::now() + within;
        let running = |processes: &mut Vec<Process>| -> Vec<usize> {
            let still = |process: &mut Process| {
                let runs = matches!(process.child.try_wait(), Ok(None));
                runs.then_some(process.number)
            };
            processes.iter_mut().filter_map(still).collect()
        };
        let mut late = running(&mut self.processes);
        while !late.is_empty() && Instant::now() < deadline {
            std::thread::park_timeout(LOOK);
            late = running(&mut self.processes);
        }
        let mut endings = Vec::new();
        for mut process in std::mem::take(&mut self.processes) {
            // Those that have ended cannot be killed any more, which is no matter.
            let _ = process.child.kill();
            let status = process
                .child
                .wait()
                .context("waiting for a process to end")?;
            self.leash.release(process.child.id())?;
            for reader in process.readers {
                // A reader ends with its pipe and cannot fail.
                let _ = reader.join();
            }
            let mut said = process.said.lock().unwrap_or_else(PoisonError::into_inner);
            endings.push(Ending {
                process: process.number,
                status,
                words: said.last.make_contiguous().join("\n"),
                panicked: said.panicked,
            });
        }
        Ok((endings, late))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing is left to report to.
        let _ = self.kill_all();
        let _ = self.bury(Duration::ZERO);
    }
}

/// Sends a signal by its name.
pub fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .context("running kill")?;
    anyhow::ensure!(sent.success(), "sending {name} to {pid} failed");
    Ok(())
}

/// Addresses that nobody listens on now.
fn free_addresses(count: usize) -> anyhow::Result<Vec<String>> {
    let bound: std::io::Result<Vec<TcpListener>> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect();
    let bound = bound.context("looking for free ports")?;
    let addresses: std::io::Result<Vec<String>> = bound
        .iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect();
    Ok(addresses?)
}
