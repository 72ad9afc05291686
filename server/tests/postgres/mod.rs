//! A real PostgreSQL for tests, with a directory and a port of its own.
//!
//! `TALLYFLOW_TEST_POSTGRES_BIN` names the directory of its programs; without it Debian's are found.
//! It does not outlive the test: a shell reads from a pipe that only this process holds, and kills
//! the server and removes its directory when the pipe closes, however this process ends.

#![allow(dead_code, missing_docs)]

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

/// How long it may take to come up or to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What nobody may ever see in a log.
pub const PASSWORD: &str = "a-s3cret-of-the-tests";

/// The user who starts the server where this is root, whom it refuses.
const ACCOUNT: &str = "postgres";

/// Starts the server, tells its process id, and obeys: `fast`, `kill`, or the pipe's end, which
/// means that the test is gone.
const KEEPER: &str = r#"
"$@" >> "$DATABASE_DIRECTORY/server.log" 2>&1 &
pid=$!
echo "$pid"
if read -r order; then
    if [ "$order" = fast ]; then kill -INT "$pid"; else kill -KILL "$pid"; fi
    wait "$pid"
else
    kill -INT "$pid"
    wait "$pid"
    rm -rf "$DATABASE_DIRECTORY"
fi
"#;

/// A server of its own.
pub struct Database {
    directory: PathBuf,
    port: u16,
    keeper: Option<Child>,
    pid: u32,
    is_durable: bool,
}

impl Database {
    /// Starts a server with one empty database.
    pub fn start() -> Database {
        // What is killed here is the server, never the machine.
        Database::start_as(false)
    }

    /// The same, with every commit on the disk, as it comes.
    pub fn start_durable() -> Database {
        Database::start_as(true)
    }

    fn start_as(is_durable: bool) -> Database {
        let directory = tempfile::Builder::new()
            .prefix("tallyflow-postgres-")
            .tempdir()
            .unwrap()
            .keep();
        fs::write(directory.join("password"), PASSWORD).unwrap();
        fs::write(directory.join("server.log"), "").unwrap();
        own(&directory);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut database = Database {
            port: listener.local_addr().unwrap().port(),
            directory,
            keeper: None,
            pid: 0,
            is_durable,
        };
        drop(listener);
        database.init();
        database.start_again();
        database
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's own process, for signals.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A client of the owner.
    pub fn client(&self) -> Client {
        let config: Config = self.url().parse().unwrap();
        config.connect(NoTls).unwrap()
    }

    /// Ends it as an operator would, and waits until it has ended.
    pub fn stop(&mut self) {
        self.order("fast");
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        self.order("kill");
    }

    /// Lets it offer TLS with a certificate and its key, in PEM form, once it is started again.
    pub fn offer_tls(&self, certificate: &str, key: &str) {
        let data = self.directory.join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            own(&path);
        }
        let settings = OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"));
        writeln!(settings.unwrap(), "ssl = on").unwrap();
    }

    /// Starts it with the same data and port, and waits until it answers.
    pub fn start_again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.start_once();
            if self.is_up() {
                return;
            }
            // What a crash left behind may take a moment to be gone.
            let log = fs::read_to_string(self.directory.join("server.log"));
            assert!(
                Instant::now() < deadline,
                "it did not come up:\n{}",
                log.unwrap_or_default()
            );
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn start_once(&mut self) {
        let mut server = program("postgres");
        let directory = self.directory.display();
        server.push(format!("-D{directory}/data"));
        server.push(format!("-p{}", self.port));
        for setting in [
            "listen_addresses=127.0.0.1".to_string(),
            format!("unix_socket_directories={directory}"),
            format!("fsync={}", if self.is_durable { "on" } else { "off" }),
        ] {
            server.extend(["-c".to_string(), setting]);
        }
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args(server)
            .env("DATABASE_DIRECTORY", &self.directory)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        let told = keeper.stdout.take().unwrap();
        BufReader::new(told).read_line(&mut pid).unwrap();
        self.pid = pid.trim().parse().expect("a server was started");
        self.keeper = Some(keeper);
    }

    /// Waits until it answers or has ended.
    fn is_up(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let config: Config = self.url().parse().unwrap();
        while Instant::now() < deadline {
            if config.connect(NoTls).is_ok() {
                return true;
            }
            if !Path::new(&format!("/proc/{}", self.pid)).exists() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.order("kill");
        false
    }

    fn order(&mut self, order: &str) {
        let mut keeper = self.keeper.take().expect("the server runs");
        let mut orders = keeper.stdin.take().unwrap();
        writeln!(orders, "{order}").unwrap();
        orders.flush().unwrap();
        // The pipe stays open until it has ended, since its end would remove the data.
        let deadline = Instant::now() + PATIENCE;
        while keeper.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server did not end");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn init(&self) {
        let mut init = program("initdb");
        let directory = self.directory.display();
        init.push(format!("-D{directory}/data"));
        init.push(format!("--pwfile={directory}/password"));
        init.extend(
            [
                "-Upostgres",
                "-Ascram-sha-256",
                "-EUTF8",
                "--no-locale",
                "-N",
            ]
            .map(str::to_string),
        );
        let output = Command::new(&init[0])
            .args(&init[1..])
            .current_dir("/")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb failed: {said}");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        match self.keeper.take() {
            Some(mut keeper) => {
                drop(keeper.stdin.take());
                // Whatever became of it, nothing is left to do.
                let _ = keeper.wait();
            }
            None => {
                let _ = fs::remove_dir_all(&self.directory);
            }
        }
    }
}

/// Gives a file, or a directory and all in it, to the user who starts the server.
fn own(path: &Path) {
    if is_root() {
        let owned = Command::new("chown")
            .args(["-R", ACCOUNT])
            .arg(path)
            .status();
        assert!(owned.unwrap().success(), "there is a user '{ACCOUNT}'");
    }
}

/// The command that runs a program of the server, as somebody whom it does not refuse.
fn program(name: &str) -> Vec<String> {
    let path = programs().join(name).display().to_string();
    if is_root() {
        let user = format!("--reuid={ACCOUNT}");
        let group = format!("--regid={ACCOUNT}");
        ["setpriv", &user, &group, "--clear-groups", "--", &path]
            .map(str::to_string)
            .to_vec()
    } else {
        vec![path]
    }
}

/// The directory of the server's programs.
fn programs() -> PathBuf {
    if let Some(directory) = std::env::var_os("TALLYFLOW_TEST_POSTGRES_BIN") {
        return directory.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let programs = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("initdb").exists());
    programs.max().expect(
        "PostgreSQL is needed: install it, or name its programs with TALLYFLOW_TEST_POSTGRES_BIN",
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
