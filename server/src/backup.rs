//! `tallyflow backup DIR`: a copy of the log and of a whole checkpoint, also while the service runs.
//!
//! ```text
//!  checkpoint ── files, then the manifest ──▶ DIR/checkpoints
//!  log ── by the service itself, over control ──▶ DIR/log    up to what is durable then
//!      └─ by this program, where none runs
//! ```
//!
//! What the public has seen (`--disclose-min`) comes first, then the checkpoint, so the log has all
//! that they know. Damage does not end it:
//! what is whole is copied, and the end says that it is not all.
//! Invariant: neither the key nor a token is ever copied.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

use crate::checkpoint::{self, CheckpointError, LoadOptions, Place};
use crate::cli::Args;
use crate::publish::is_memory;
use crate::source::LogError;
use crate::source::embedded::{self, EmbeddedLog};
use crate::{control, count, demo, output, plan, private};

/// The name of a copy of the log that is not whole yet.
const UNFINISHED: &str = "log-unfinished";

/// How often a checkpoint is begun anew whose files went while they were copied.
const TRIES: usize = 10;

/// Copies everything into a directory that is empty or not there.
pub fn run(args: &Args, directory: &Path) -> anyhow::Result<()> {
    let directory = std::path::absolute(directory).context("could not find the directory")?;
    let data = plan::data_of(args);
    let place = plan::checkpoints_of(args, &data);
    let log = data.join(demo::LOG);
    let has_log = embedded::is_log(&log);
    let has_place = place.starts_with("s3://") || Path::new(&place).is_dir();
    anyhow::ensure!(
        has_log || has_place,
        "there is neither a log nor a checkpoint in '{}': name the data directory with --data DIR",
        data.display()
    );
    prepare(&directory)?;
    copy_memory(&data, &directory)?;
    let mut damaged = Vec::new();
    if has_place {
        let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
        let from = Place::open(&place, runtime.handle().clone())?;
        let to = directory.join(plan::CHECKPOINTS);
        let to = Place::open(&to.display().to_string(), runtime.handle().clone())?;
        damaged.extend(copy_checkpoint(&from, &to, has_log)?);
    }
    if has_log {
        damaged.extend(copy_log(
            &data,
            &log,
            &directory.join(demo::LOG),
            &args.topic,
        )?);
    }
    copy_mark(&data, &directory)?;
    let place = directory.display();
    output::print(&format!(
        "the copy is in '{place}'. It has neither the key nor a token: keep those elsewhere. A \
         start from it without the key counts its log from the beginning, under a new key\n"
    ))?;
    anyhow::ensure!(
        damaged.is_empty(),
        "what is damaged was left out of the copy: {}",
        damaged.join("; ")
    );
    Ok(())
}

fn prepare(directory: &Path) -> anyhow::Result<()> {
    let made = private::make_directory(directory);
    made.with_context(|| format!("could not make '{}'", directory.display()))?;
    let is_empty = fs::read_dir(directory).map(|mut entries| entries.next().is_none());
    anyhow::ensure!(
        is_empty.context("could not read the directory")?,
        "'{}' is not empty: name a directory that is, or one that is not there",
        directory.display()
    );
    Ok(())
}

/// The newest whole checkpoint, and the tick ceiling; what is damaged is given.
fn copy_checkpoint(from: &Place, to: &Place, is_gapless: bool) -> anyhow::Result<Vec<String>> {
    let options = LoadOptions {
        threads: 1,
        is_gapless,
    };
    for _ in 0..TRIES {
        let loaded = match checkpoint::load(from, options) {
            Ok(loaded) => loaded,
            Err(error @ CheckpointError::NoneWhole { .. }) => return Ok(vec![error.to_string()]),
            Err(error) => return Err(error.into()),
        };
        let damaged = loaded.damaged.iter().map(ToString::to_string).collect();
        let Some((manifest, _)) = loaded.checkpoint else {
            output::print("there is no checkpoint yet\n")?;
            return Ok(damaged);
        };
        if checkpoint::copy(from, to, &manifest)? {
            count::copy_ceilings(from, to)?;
            output::print(&format!("checkpoint {} is copied\n", manifest.number))?;
            return Ok(damaged);
        }
    }
    anyhow::bail!("the checkpoints went while they were copied, {TRIES} times: try again")
}

/// Under another name until it is whole: one that is broken off is no empty log.
fn copy_log(data: &Path, log: &Path, to: &Path, topic: &str) -> anyhow::Result<Vec<String>> {
    let unfinished = to.with_file_name(UNFINISHED);
    let damaged = match EmbeddedLog::open(log, topic) {
        Ok(log) => {
            let damage = log.copy_to(&unfinished)?;
            log.close()?;
            damage.iter().map(ToString::to_string).collect()
        }
        Err(LogError::InUse { .. }) => {
            let runs = || embedded::is_in_use(log);
            control::ask_for_a_copy(data, &unfinished, runs)?
        }
        Err(error) => return Err(error.into()),
    };
    let named = fs::rename(&unfinished, to).and_then(|()| private::sync_parent(to));
    named.with_context(|| format!("could not name the copy of the log '{}'", to.display()))?;
    output::print("the log is copied\n")?;
    Ok(damaged)
}

/// What the public has seen: a start from the copy must not show what was held back.
fn copy_memory(data: &Path, to: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(data) {
        // Checkpoints may be copied from a machine that has none of the rest.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.context("could not read the data directory")?,
    };
    for entry in entries {
        let entry = entry.context("could not read the data directory")?;
        let name = entry.file_name();
        if name.to_str().is_some_and(is_memory) {
            copy_small(&data.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

/// A demo's copy is a demo's.
fn copy_mark(data: &Path, to: &Path) -> anyhow::Result<()> {
    let mark = data.join(demo::MARK);
    if mark.exists() {
        copy_small(&mark, &to.join(demo::MARK))?;
    }
    Ok(())
}

/// A file that fits the memory; durable on return.
fn copy_small(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = fs::read(from).and_then(|bytes| private::put(to, &bytes));
    copied.with_context(|| format!("could not copy '{}'", from.display()))
}
