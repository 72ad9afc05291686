//! `tallyflow verify`: whether log, checkpoints and key of a data directory are as they were
//! written, while no service runs.
//!
//! Says what it finds, a line each, and goes on after damage. It changes nothing.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::checkpoint::{self, Place};
use crate::cli::Args;
use crate::source::LogError;
use crate::source::embedded::{self, EmbeddedLog};
use crate::{demo, key, plan};

/// Looks at everything; an error if anything is damaged.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let data = plan::data_of(args);
    let place = plan::checkpoints_of(args, &data);
    let mut found = Found::default();
    check_log(&data, &args.topic, &mut found)?;
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    if place.starts_with("s3://") || Path::new(&place).is_dir() {
        let place = Place::open(&place, runtime.handle().clone())?;
        check_checkpoints(&place, found.has_log, &mut found)?;
        check_key(args, &data, &mut found);
    }
    anyhow::ensure!(
        found.has_log || found.checkpoints > 0,
        "there is neither a log nor a checkpoint in '{}': name the data directory with --data DIR",
        data.display()
    );
    anyhow::ensure!(
        found.damages == 0,
        "damage was found in {} places: where a checkpoint is damaged, a start uses another or the \
         log; where the log is, restore it from a copy (`tallyflow backup` makes one); check the \
         disk",
        found.damages
    );
    println!("all is whole");
    Ok(())
}

#[derive(Default)]
struct Found {
    has_log: bool,
    checkpoints: usize,
    damages: usize,
    /// The fingerprint of the key that the newest checkpoint was made with.
    fingerprint: Option<String>,
}

fn check_log(data: &Path, topic: &str, found: &mut Found) -> anyhow::Result<()> {
    let directory: PathBuf = data.join(demo::LOG);
    if !embedded::is_log(&directory) {
        return Ok(());
    }
    found.has_log = true;
    let log = match EmbeddedLog::open(&directory, topic) {
        Ok(log) => log,
        Err(error @ (LogError::DamagedFile { .. } | LogError::Damaged { .. })) => {
            println!("log: {error}");
            found.damages += 1;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let damage = log.check(&mut |_| true)?;
    for (partition, records) in log.records().into_iter().enumerate() {
        let mut bad = damage
            .iter()
            .filter(|it| it.partition as usize == partition)
            .peekable();
        if bad.peek().is_none() {
            println!("log: partition {partition}: {records} records, whole");
        }
        for damage in bad {
            println!("log: partition {partition}: {records} records, DAMAGED: {damage}");
            found.damages += 1;
        }
    }
    log.close()?;
    Ok(())
}

fn check_checkpoints(place: &Place, is_gapless: bool, found: &mut Found) -> anyhow::Result<()> {
    for examined in checkpoint::examine(place, is_gapless)? {
        found.checkpoints += 1;
        let name = &examined.name;
        if examined.damaged.is_empty() {
            println!("checkpoints: {name}: whole");
        }
        for damaged in &examined.damaged {
            println!("checkpoints: {name}: DAMAGED: {damaged}");
        }
        found.damages += examined.damaged.len();
        if let Some(manifest) = examined.manifest {
            found.fingerprint.get_or_insert(manifest.key_fingerprint);
        }
    }
    for name in crate::count::damaged_ceilings(place)? {
        println!("checkpoints: {name}: DAMAGED");
        found.damages += 1;
    }
    Ok(())
}

fn check_key(args: &Args, data: &Path, found: &mut Found) {
    let Some(kept) = &found.fingerprint else {
        return;
    };
    let path = args.key.clone().unwrap_or_else(|| data.join(key::NAME));
    let file = key::KeyFile {
        path,
        is_made: false,
        is_default: args.key.is_none(),
    };
    match file.open_for("this place", kept) {
        Ok(_) => println!("key: it is the one of the checkpoints"),
        Err(error) => {
            println!("key: {error}");
            found.damages += 1;
        }
    }
}
