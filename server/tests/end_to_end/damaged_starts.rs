//! Starts of the real binary on copies of a data directory, each damaged at random: right, made
//! good, or refused with what to do; anything else is a fault.
//!
//! `TALLYFLOW_TEST_DAMAGED_STARTS=200` makes so many, `TALLYFLOW_TEST_DAMAGED_SEED` others, and
//! `TALLYFLOW_TEST_DAMAGED_BINARY` with another binary, an older one say.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, TOKEN, is_ours, until, votes};

/// How many starts, where nobody says.
const STARTS: u64 = 16;

/// How long a start may take to serve or to refuse.
const START_MAX: Duration = Duration::from_secs(60);

/// What a refusal may say to do.
const WAYS_OUT: [&str; 8] = [
    "--recount",
    "restore",
    "Delete both",
    "delete it",
    "put it back",
    "check the disk",
    "check the directory",
    "check that",
];

/// Numbers of a seed, by Knuth's constants.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |it| it.parse().expect("a number"))
}

/// A start of the binary; ended with the value.
struct Start {
    child: Child,
    said: Option<mpsc::Receiver<String>>,
}

impl Start {
    fn new(home: &Path, data: &Path) -> (Start, ChildStdout) {
        let binary = std::env::var_os("TALLYFLOW_TEST_DAMAGED_BINARY");
        let binary = binary.map_or(env!("CARGO_BIN_EXE_tallyflow").into(), PathBuf::from);
        let mut command = Command::new(binary);
        command.current_dir(home).arg("--data").arg(data);
        command.arg("--register").arg(home.join("register.json"));
        command.args(["--listen", "127.0.0.1:0", "--checkpoint-every", "100ms"]);
        for (name, _) in std::env::vars().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        command.env("TALLYFLOW_TOKEN", TOKEN);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let (send, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // What was read is told, whatever the end.
            let _ = stderr.read_to_end(&mut text);
            let _ = send.send(String::from_utf8_lossy(&text).into_owned());
        });
        let said = Some(said);
        (Start { child, said }, stdout)
    }

    /// Waits until it serves results; what it said, if it ended before.
    fn serves(&mut self, stdout: ChildStdout) -> Result<Client, String> {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let address = line.strip_prefix("tallyflow listens on http://")?;
            address.trim().parse().ok()
        });
        let deadline = Instant::now() + START_MAX;
        loop {
            if self.child.try_wait().expect("its state").is_some() {
                return Err(self.last_words());
            }
            if let Some(address) = address {
                let client = Client::new(address);
                let ready = client.try_send("GET", "/readyz", &[], b"");
                if ready.is_ok_and(|answer| answer.status == 200) {
                    return Ok(client);
                }
            }
            if Instant::now() > deadline {
                return Err("neither serves nor ends".to_string());
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn last_words(&mut self) -> String {
        let said = self.said.take().expect("asked once");
        said.recv_timeout(START_MAX).unwrap_or_default()
    }

    /// As a crash ends it, or as an operator does.
    fn end(mut self, kills: bool) {
        if !kills {
            let told = Command::new("kill")
                .arg(self.child.id().to_string())
                .status();
            assert!(told.expect("kill runs").success());
            self.child.wait().expect("it has ended");
        }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What must be the same whatever was damaged.
fn counted(client: &Client) -> Value {
    let status = until("all is counted", || {
        let status = client.get("/api/v1/status").json();
        let parts = status["partitions"].as_array().expect("partitions");
        parts.iter().all(|each| each["lag"] == 0).then_some(status)
    });
    let results = client.get("/api/v1/results").json();
    let locations = client.get("/api/v1/locations?parent=*").json();
    json!({
        "messages": status["messages"], "counts": status["counts"], "voids": status["voids"],
        "duplicates": status["duplicates"], "refused": status["refused"],
        "candidates": results["candidates"], "locations": locations["locations"],
    })
}

/// A data directory with a log and checkpoints, and what is counted of it.
fn template(home: &Path, kills: bool) -> (PathBuf, Value) {
    let data = home.join(if kills { "killed" } else { "ended" });
    let (mut start, stdout) = Start::new(home, &data);
    let client = start.serves(stdout).expect("an undamaged start serves");
    let mut town = votes::Town::new(5);
    let mut expected = Value::Null;
    let newest = || client.get("/api/v1/status").json()["checkpoint"]["newest"]["number"].as_u64();
    for _ in 0..4 {
        let before = newest();
        assert_eq!(client.vote(&town.lines(150)).status, 202);
        expected = counted(&client);
        until("another checkpoint is there", || {
            (newest() > before).then_some(())
        });
    }
    start.end(kills);
    (data, expected)
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).expect("below"));
        fs::create_dir_all(copy.parent().expect("a directory")).expect("made");
        fs::copy(file, copy).expect("copied");
    }
}

/// Damages one file, and says how.
fn damage(data: &Path, dice: &mut Dice) -> String {
    const KINDS: [&str; 7] = [
        "log.redb",
        "segment-",
        "merged-",
        "manifest-",
        "register-",
        "tick-ceiling",
        "key",
    ];
    let all = files(data);
    let name = |path: &Path| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let mut of_kind = Vec::new();
    while of_kind.is_empty() {
        let kind = KINDS[dice.below(KINDS.len() as u64) as usize];
        of_kind = all
            .iter()
            .filter(|path| name(path).starts_with(kind))
            .collect();
    }
    let file = of_kind[dice.below(of_kind.len() as u64) as usize];
    let mut bytes = fs::read(file).expect("a file");
    let size = bytes.len() as u64;
    let what = match dice.below(8) {
        0..=2 if size > 0 => {
            for _ in 0..=dice.below(3) {
                bytes[dice.below(size) as usize] ^= 1 << dice.below(8);
            }
            "bits flipped"
        }
        3 => {
            let from = dice.below(size) as usize;
            let to = (from + 512).min(bytes.len());
            bytes[from..to].fill(0);
            "a block of zeros"
        }
        4 => {
            bytes.truncate(dice.below(size) as usize);
            "truncated"
        }
        0..=2 | 5 => {
            bytes.clear();
            "emptied"
        }
        6 => {
            fs::remove_file(file).expect("deleted");
            return format!("{} deleted", name(file));
        }
        _ => {
            let other = &all[dice.below(all.len() as u64) as usize];
            let theirs = fs::read(other).expect("a file");
            fs::write(other, &bytes).expect("swapped");
            fs::write(file, theirs).expect("swapped");
            return format!("{} swapped with {}", name(file), name(other));
        }
    };
    fs::write(file, bytes).expect("written");
    format!("{} {what}", name(file))
}

/// How a start on a damaged copy went.
fn outcome(home: &Path, data: &Path, expected: &Value) -> Result<&'static str, String> {
    let (mut start, stdout) = Start::new(home, data);
    match start.serves(stdout) {
        Ok(client) => {
            let found = counted(&client);
            if found != *expected {
                return Err(format!("counts {found}"));
            }
            let status = client.get("/api/v1/status").json();
            let warned = status["warnings"]
                .as_array()
                .is_some_and(|it| !it.is_empty());
            let passed_over = status["checkpoint"]["error"].is_string();
            Ok(if warned || passed_over {
                "made good"
            } else {
                "right"
            })
        }
        Err(said) if said.contains("panicked") => Err(said),
        Err(said) if WAYS_OUT.iter().any(|way| said.contains(way)) => Ok("refused with what to do"),
        Err(said) => Err(said),
    }
}

#[test]
fn a_start_on_damaged_files_is_right_or_made_good_or_refused_with_what_to_do() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let register = votes::register().to_string();
    fs::write(home.path().join("register.json"), register).expect("a register");
    let templates = [false, true].map(|kills| template(home.path(), kills));
    let mut dice = Dice(number("TALLYFLOW_TEST_DAMAGED_SEED", 1));
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut faults = Vec::new();
    for number in 0..number("TALLYFLOW_TEST_DAMAGED_STARTS", STARTS) {
        let (template, expected) = &templates[(number % 2) as usize];
        let data = home.path().join(format!("copy-{number}"));
        copy(template, &data);
        let mut what = damage(&data, &mut dice);
        if dice.below(4) == 0 {
            what = format!("{what}, {}", damage(&data, &mut dice));
        }
        match outcome(home.path(), &data, expected) {
            Ok(outcome) => {
                println!("{number}: {what}: {outcome}");
                *outcomes.entry(outcome).or_default() += 1;
            }
            Err(fault) => {
                println!("{number}: {what}: WRONG: {fault}");
                faults.push(what);
            }
        }
        fs::remove_dir_all(&data).expect("the copy goes");
    }
    println!("{outcomes:?}, wrong: {}", faults.len());
    assert_eq!(faults, [""; 0]);
}
