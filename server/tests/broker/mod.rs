//! A real broker for tests: Apache Kafka, one node in KRaft mode, from its jars.
//!
//! `TALLYFLOW_TEST_KAFKA_LIBS` names a directory of jars; without it they are fetched once with Maven
//! into `target/kafka-libs`. Each broker has a directory and ports of its own. It does not outlive
//! the test: a shell reads from a pipe that only this process holds, and kills the broker and
//! removes its directory when the pipe closes, however this process ends.

#![allow(dead_code, missing_docs)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

mod topics;

pub use topics::Consumed;

/// How long a broker may take to come up or to end on a busy machine.
const STARTING: Duration = Duration::from_secs(90);
const ENDING: Duration = Duration::from_secs(60);

/// Starts the broker, tells its process id, and obeys: `term`, `kill`, or the pipe's end, which
/// means that the test is gone.
const KEEPER: &str = r#"
"$@" >> "$BROKER_DIRECTORY/broker.log" 2>&1 &
pid=$!
echo "$pid"
if read -r order; then
    if [ "$order" = term ]; then kill -TERM "$pid"; else kill -KILL "$pid"; fi
    wait "$pid"
else
    kill -KILL "$pid"
    wait "$pid"
    rm -rf "$BROKER_DIRECTORY"
fi
"#;

/// A broker of its own.
pub struct Broker {
    directory: PathBuf,
    port: u16,
    libs: PathBuf,
    keeper: Option<Child>,
    pid: u32,
}

impl Broker {
    /// Starts a broker with no topics.
    pub fn start() -> Broker {
        let libs = libs();
        let directory = tempfile::Builder::new()
            .prefix("tallyflow-broker-")
            .tempdir()
            .unwrap()
            .keep();
        let (port, controller_port) = free_ports();
        fs::write(
            directory.join("server.properties"),
            properties(&directory, port, controller_port),
        )
        .unwrap();
        fs::write(directory.join("log4j2.properties"), LOGGING).unwrap();
        let mut broker = Broker {
            directory,
            port,
            libs,
            keeper: None,
            pid: 0,
        };
        broker.format();
        broker.start_again();
        broker
    }

    /// Where clients find it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's own process, for signals.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it as an operator would, and waits until it has ended.
    pub fn stop(&mut self) {
        self.order("term");
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        self.order("kill");
    }

    /// Starts it with the same data and port, and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.keeper.is_none(), "the broker runs already");
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper", "java"])
            .args(self.java_options("512m"))
            .arg("kafka.Kafka")
            .arg(self.directory.join("server.properties"))
            .env("BROKER_DIRECTORY", &self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        let told = keeper.stdout.take().unwrap();
        BufReader::new(told).read_line(&mut pid).unwrap();
        self.pid = pid.trim().parse().expect("a broker was started");
        self.keeper = Some(keeper);
        self.wait_until_up();
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// What the broker wrote, for a test that wants to know why.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("broker.log")).unwrap_or_default()
    }

    /// A client's configuration for this broker.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
    }

    fn order(&mut self, order: &str) {
        let mut keeper = self.keeper.take().expect("the broker runs");
        let mut orders = keeper.stdin.take().unwrap();
        writeln!(orders, "{order}").unwrap();
        orders.flush().unwrap();
        // The pipe stays open until it has ended, since its end would remove the data.
        let deadline = Instant::now() + ENDING;
        while keeper.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the broker did not end");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn wait_until_up(&mut self) {
        let client: BaseConsumer = self.config().create().unwrap();
        let deadline = Instant::now() + STARTING;
        loop {
            let answer = client.fetch_metadata(None, Duration::from_millis(500));
            if answer.is_ok_and(|answer| !answer.brokers().is_empty()) {
                return;
            }
            let ended = self.keeper.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the broker did not come up:\n{}",
                self.log()
            );
        }
    }

    fn format(&self) {
        let output = Command::new("java")
            .args(self.java_options("256m"))
            .args([
                "kafka.tools.StorageTool",
                "format",
                "-t",
                "AAAAAAAAQACAAAAAAAAAAQ",
                "-c",
            ])
            .arg(self.directory.join("server.properties"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "formatting failed: {said}");
    }

    fn java_options(&self, heap: &str) -> Vec<String> {
        let logging = self.directory.join("log4j2.properties");
        vec![
            format!("-Xmx{heap}"),
            "-XX:+UseSerialGC".to_string(),
            "-XX:TieredStopAtLevel=1".to_string(),
            format!("-Dlog4j2.configurationFile={}", logging.display()),
            "-cp".to_string(),
            format!("{}/*", self.libs.display()),
        ]
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        match self.keeper.take() {
            Some(mut keeper) => {
                drop(keeper.stdin.take());
                let _: Option<ExitStatus> = keeper.wait().ok();
            }
            None => {
                let _ = fs::remove_dir_all(&self.directory);
            }
        }
    }
}

/// Two ports that were free a moment ago.
fn free_ports() -> (u16, u16) {
    let [one, other] = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    (
        one.local_addr().unwrap().port(),
        other.local_addr().unwrap().port(),
    )
}

/// The jars.
fn libs() -> PathBuf {
    if let Some(libs) = std::env::var_os("TALLYFLOW_TEST_KAFKA_LIBS") {
        return PathBuf::from(libs);
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| project.join("../target"), PathBuf::from);
    fs::create_dir_all(&target).unwrap();
    // Tests run at the same time, and one of them fetches.
    let lock = File::create(target.join("kafka-libs.lock")).unwrap();
    lock.lock().unwrap();
    let libs = target.join("kafka-libs");
    let is_whole = libs.join("whole");
    if !is_whole.exists() {
        let status = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(project.join("tests/broker/pom.xml"))
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", libs.display()))
            .status()
            .expect(
                "Maven is needed to fetch Kafka; or name its jars with TALLYFLOW_TEST_KAFKA_LIBS",
            );
        assert!(status.success(), "fetching Kafka's jars failed");
        fs::write(is_whole, "").unwrap();
    }
    libs
}

fn properties(directory: &Path, port: u16, controller_port: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.retention.ms=-1\n\
         log.cleaner.enable=false\n\
         controlled.shutdown.enable=false\n\
         num.network.threads=2\n\
         num.io.threads=4\n",
        directory.join("data").display()
    )
}

const LOGGING: &str = "\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
";
