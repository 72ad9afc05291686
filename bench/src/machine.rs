//! What the figures were measured on: cores, memory, versions. Figures of two machines are not
//! to be compared, and their files say which one it was.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The machine, and the versions of what takes part.
pub fn machine(tallyflow: &Path) -> Value {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": field(&cpus, "model name"),
        "memory": field(&memory, "MemTotal"),
        "kernel": kernel.trim(),
        "tallyflow": said(Command::new(tallyflow).arg("--version")),
        "commit": said(Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "rev-parse",
            "--short",
            "HEAD",
        ])),
        "rustc": said(Command::new("rustc").arg("--version")),
        "java": said(Command::new("java").arg("--version")),
        "librdkafka": rdkafka::util::get_rdkafka_version().1,
        "load_before": load(),
    })
}

/// How many threads wanted to run in the last minute; on a quiet machine next to none.
pub fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split_whitespace().next();
    first.and_then(|one| one.parse().ok()).unwrap_or(0.0)
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(String::new, |(_, value)| value.trim().to_string())
}

/// The first line of what a command says; empty if it cannot be run.
fn said(command: &mut Command) -> String {
    let output = command.output().ok().filter(|said| said.status.success());
    let text = output.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or_default().to_string()
}
