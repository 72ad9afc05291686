//! Makes the page's charts: one file of Apache ECharts, by npm, where Node is there.
//!
//! In come `web/charts/` (the entry, and the versions in its lock file) and the machine's npm; out
//! goes `echarts.js` in cargo's own folder, empty where it could not be made, and a warning that
//! says why. Never fails a build: the page is whole without charts. Never writes into the sources.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the bundle is made of.
const SOURCES: [&str; 3] = ["echarts.js", "package.json", "package-lock.json"];

fn main() {
    let folder = PathBuf::from("web/charts");
    for name in SOURCES {
        println!("cargo::rerun-if-changed={}", folder.join(name).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let bundle = match bundle(&folder, &out.join("charts")) {
        Ok(bundle) => bundle,
        Err(reason) => {
            println!(
                "cargo::warning=the page is built without map and charts, its tables say the same: \
                 {reason}. To have them, install Node.js 18 or later with npm, and touch server/build.rs"
            );
            Vec::new()
        }
    };
    fs::write(out.join("echarts.js"), bundle).expect("cargo's folder takes files");
}

/// The bundle, made in a folder of its own.
fn bundle(sources: &Path, work: &Path) -> Result<Vec<u8>, String> {
    // Without it npm would be asked on a machine that cannot run what it brings.
    run(Command::new("node").arg("--version"), "node")?;
    let begun = fs::create_dir_all(work).and_then(|()| {
        SOURCES
            .iter()
            .try_for_each(|name| fs::copy(sources.join(name), work.join(name)).map(drop))
    });
    begun.map_err(|error| format!("{} cannot be filled: {error}", work.display()))?;
    let fetch = [
        "ci",
        // Nothing of what is fetched runs here but the bundler.
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefer-offline",
        // Without a network it says so at once.
        "--fetch-retries=1",
        "--fetch-timeout=60000",
    ];
    run(npm(work).args(fetch), "npm ci")?;
    let make = ["run", "--silent", "build", "--", "--log-level=error"];
    run(
        npm(work).args(make).arg("--outfile=made.js"),
        "npm run build",
    )?;
    let made = fs::read(work.join("made.js"));
    // Eighty megabytes that nobody needs again.
    let _ = fs::remove_dir_all(work);
    made.map_err(|error| format!("npm made no bundle: {error}"))
}

fn npm(work: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(work);
    command
}

fn run(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{name} does not start ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty());
    Err(format!(
        "{name} failed: {}",
        line.unwrap_or("it says nothing")
    ))
}
