//! What the user of this service may ask of it while it runs: a copy of its log.
//!
//! A file in the data directory, which nobody else may enter, asks; another one answers. The log
//! belongs to one process at a time, so a copy can only be made by that one. Files and no socket,
//! since a data directory is copied by programs that cannot copy one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::background;
use crate::source::embedded::EmbeddedLog;
use crate::told::chain;

/// The file that asks, in a data directory.
pub const ASK: &str = "backup-ask.json";

/// The file that answers.
pub const ANSWER: &str = "backup-answer.json";

/// How often either side looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long nothing may be copied until it is given up: before it has begun, and after it.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    copy_log_to: PathBuf,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// What was asked for.
    copy_log_to: PathBuf,
    /// Why there is no copy.
    error: Option<String>,
    /// What is not in it.
    damaged: Vec<String>,
}

/// Looks from now on whether something is asked.
pub fn start(
    data: &Path,
    log: Arc<EmbeddedLog>,
    stop: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    let data = data.to_path_buf();
    let run = move || {
        background::let_others_go_first();
        while !stop.load(Ordering::Relaxed) {
            if let Err(error) = serve(&data, &log) {
                tracing::warn!(%error, "a copy of the log was asked for and could not be answered");
            }
            thread::park_timeout(LOOK_EVERY);
        }
    };
    thread::Builder::new()
        .name("control".to_string())
        .spawn(run)
}

fn serve(data: &Path, log: &EmbeddedLog) -> io::Result<()> {
    let Some(Ask { copy_log_to }) = read(&data.join(ASK))? else {
        return Ok(());
    };
    // Taken: whoever asks sees it by that.
    fs::remove_file(data.join(ASK))?;
    let (error, damaged) = match log.copy_to(&copy_log_to) {
        Ok(damage) => (None, damage.iter().map(ToString::to_string).collect()),
        Err(error) => (Some(chain(&error)), Vec::new()),
    };
    let answer = Answer {
        copy_log_to,
        error,
        damaged,
    };
    write(&data.join(ANSWER), &answer)
}

/// Lets the service that runs in a data directory copy its log, and gives what is damaged of it.
/// `runs` says whether it still does.
pub fn ask_for_a_copy(
    data: &Path,
    to: &Path,
    runs: impl Fn() -> bool,
) -> anyhow::Result<Vec<String>> {
    let (ask, answer) = (data.join(ASK), data.join(ANSWER));
    // Of one who did not wait.
    let _ = fs::remove_file(&answer);
    let copy_log_to = to.to_path_buf();
    write(&ask, &Ask { copy_log_to })?;
    let (mut written_before, mut busy_at) = (None, Instant::now());
    loop {
        if let Some(found) = read::<Answer>(&answer)?
            && found.copy_log_to == to
        {
            fs::remove_file(&answer)?;
            return match found.error {
                Some(error) => Err(anyhow::anyhow!(error)
                    .context("the service could not copy its log; run this as its user")),
                None => Ok(found.damaged),
            };
        }
        let written = last_written(to);
        if written != written_before {
            (written_before, busy_at) = (written, Instant::now());
        }
        if !runs() || busy_at.elapsed() > QUIET_MAX {
            let _ = fs::remove_file(&ask);
            anyhow::bail!(
                "the service has the log in use and does not answer: run this as its user, look \
                 into its log, and try again"
            );
        }
        thread::sleep(LOOK_EVERY / 5);
    }
}

/// When something was last written into a directory, if something was.
fn last_written(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let times = entries.filter_map(|entry| entry.metadata().ok()?.modified().ok());
    times.max()
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        // What is no such thing is nobody's.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whole or not at all.
fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(value)?)?;
    fs::rename(beside, path)
}
