//! The binary under test: started on a free port, ended by its id.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::client::TOKEN;
use super::{Client, until, votes};

/// What the server says on standard output once it listens.
const LISTENS: &str = "tallyflow listens on http://";

/// A server that refuses to run says so well within this.
const REFUSED_MAX: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    address: SocketAddr,
    home: Home,
    /// What it has said before that.
    greeting: String,
}

/// The directory of a server: its data and its register.
pub struct Home {
    directory: TempDir,
    /// Whether its servers are given the token of the tests.
    has_token: bool,
    /// How many files its servers may open, if not as many as the tests.
    files_max: Option<u32>,
}

impl Home {
    /// A directory with a register and no votes.
    pub fn new() -> Home {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = Home {
            directory,
            has_token: true,
            files_max: None,
        };
        home.write_register(&votes::register());
        home
    }

    /// The same for servers that are given no token.
    pub fn without_token(self) -> Home {
        Home {
            has_token: false,
            ..self
        }
    }

    /// The same for servers that may open so many files, and so have fewer places.
    pub fn with_files(self, files_max: u32) -> Home {
        Home {
            files_max: Some(files_max),
            ..self
        }
    }

    /// Replaces the register.
    pub fn write_register(&self, register: &Value) {
        let text = serde_json::to_string(register).expect("a register is JSON");
        // Written beside and renamed, so that no reader sees half of it.
        let beside = self.path().join("register.new");
        std::fs::write(&beside, text).expect("the register is written");
        std::fs::rename(beside, self.register()).expect("the register is in place");
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn register(&self) -> PathBuf {
        self.path().join("register.json")
    }

    /// What starts a server here with flags.
    pub fn command(&self, flags: &[&str]) -> Command {
        // Under a mask that hides nothing, since the server is to hide what it writes by itself.
        let mut script = "umask 000; exec \"$@\"".to_string();
        if let Some(files_max) = self.files_max {
            script.insert_str(0, &format!("ulimit -n {files_max}; "));
        }
        let mut command = Command::new("sh");
        command.args(["-c", &script, "tallyflow"]);
        command.arg(env!("CARGO_BIN_EXE_tallyflow"));
        command.current_dir(self.path());
        for (name, _) in std::env::vars().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        if self.has_token && !flags.iter().any(|flag| flag.starts_with("--token")) {
            command.env("TALLYFLOW_TOKEN", TOKEN);
        }
        command.arg("--data").arg(self.path().join("data"));
        let says_register = |flag: &&str| ["--demo", "--postgres", "--register"].contains(flag);
        if !flags.iter().any(says_register) {
            command.arg("--register").arg(self.register());
        }
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(flags);
        command
    }

    /// The same, started by another program: `program` with the arguments that come first.
    pub fn command_by(&self, program: &[&str], flags: &[&str]) -> Command {
        let command = self.command(flags);
        let mut other = Command::new(program[0]);
        other.args(&program[1..]).arg(command.get_program());
        other.args(command.get_args()).current_dir(self.path());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => other.env(name, value),
                None => other.env_remove(name),
            };
        }
        other
    }

    /// Starts a server here, and waits until it serves results.
    pub fn start(self, flags: &[&str]) -> Server {
        let mut command = self.command(flags);
        command.stderr(Stdio::inherit());
        self.start_by(command)
    }

    /// Starts a server by a command whose standard output is left to be read here.
    pub fn start_by(self, command: Command) -> Server {
        self.listen(command).ready()
    }

    /// Starts a server by a command that names the address; its output is the caller's.
    pub fn start_at(self, mut command: Command, address: SocketAddr) -> Server {
        let server = Server {
            child: command.spawn().expect("the server starts"),
            address,
            home: self,
            greeting: String::new(),
        };
        server.ready()
    }

    /// Starts a server here, and waits until it listens; its log goes to a file.
    pub fn start_to_log(self, flags: &[&str]) -> Server {
        let mut command = self.command(flags);
        command.stderr(File::create(self.log()).expect("the log is made"));
        self.listen(command)
    }

    /// The file of `start_to_log`.
    pub fn log(&self) -> PathBuf {
        self.path().join("log.txt")
    }

    fn listen(self, mut command: Command) -> Server {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut greeting = String::new();
        let line = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let address = line.strip_prefix(LISTENS).map(str::trim);
                greeting.push_str(&format!("{line}\n"));
                address.map(str::to_string)
            });
        let address = line.expect("the server says where it listens");
        let address = address.parse().expect("the server listens on an address");
        Server {
            child,
            address,
            home: self,
            greeting,
        }
    }

    /// Starts a server that is expected to refuse to run, and waits for its end.
    pub fn refused(&self, flags: &[&str]) -> Output {
        let mut command = self.command(flags);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the server starts");
        let id = child.id();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        match output.recv_timeout(REFUSED_MAX) {
            Ok(output) => output.expect("the server has ended"),
            Err(_) => {
                // It is not waited for yet, so the id is still its own.
                let _ = Command::new("kill").arg(id.to_string()).status();
                panic!("a server with {flags:?} runs, and should have refused to");
            }
        }
    }
}

impl Server {
    /// A server with the register of the tests.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// Waits until it serves results.
    fn ready(self) -> Server {
        until("the server is ready", || {
            let answer = self.client().try_send("GET", "/readyz", &[], b"");
            answer.is_ok_and(|it| it.status == 200).then_some(())
        });
        self
    }

    /// A server with flags.
    pub fn start_with(flags: &[&str]) -> Server {
        Home::new().start(flags)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has said until it listened.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Its directory.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Waits until everything that was acknowledged is counted, and gives the status then.
    pub fn settled(&self) -> Value {
        until("all messages are counted", || {
            let status = self.client().get("/api/v1/status").json();
            let lags = status["partitions"].as_array().expect("partitions");
            lags.iter().all(|each| each["lag"] == 0).then_some(status)
        })
    }

    /// Ends it at once, as a crash does.
    pub fn kill(mut self) -> Home {
        self.child.kill().expect("the server is killed");
        self.child.wait().expect("the server has ended");
        self.take_home()
    }

    /// Asks it to end, as an operator does, and says how it did.
    pub fn terminate(self) -> (ExitStatus, Home) {
        self.end_by("TERM")
    }

    /// Sends it a signal that ends it, and says how it ended.
    pub fn end_by(mut self, signal: &str) -> (ExitStatus, Home) {
        self.signal(signal);
        let ended = until("the server has ended", || {
            self.child.try_wait().expect("it can be waited for")
        });
        (ended, self.take_home())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &self.child.id().to_string()]);
        assert!(
            kill.status().expect("kill runs").success(),
            "the signal is sent"
        );
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn take_home(&mut self) -> Home {
        let empty = Home {
            directory: tempfile::tempdir().expect("a temporary directory"),
            has_token: self.home.has_token,
            files_max: None,
        };
        std::mem::replace(&mut self.home, empty)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Variables that would change what the server does.
pub fn is_ours(name: &str) -> bool {
    ["TALLYFLOW_", "KAFKA_", "POSTGRES_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
