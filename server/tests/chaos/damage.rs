//! Damage to the files of a checkpoint, as disks and operators do it.
//!
//! In come a directory and dice; out goes what was done, in words, and the bytes have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, ensure};

use crate::dice::Dice;

/// The newest files are damaged most often, since a start reads them.
const NEWEST: usize = 4;

/// How a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Flip,
    Truncate,
    Delete,
    Append,
    Empty,
}

const WAYS: [Way; 5] = [
    Way::Flip,
    Way::Truncate,
    Way::Delete,
    Way::Append,
    Way::Empty,
];

/// The files of a checkpoint, oldest first.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        // A directory or file that has just gone is none.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => open.push(entry.path()),
                Ok(data) if data.len() > 0 => {
                    let at = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.push((at, entry.path()));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Damages a file and says what was done; `None` if there is no file, or it went meanwhile.
pub fn damage(directory: &Path, dice: &mut Dice) -> anyhow::Result<Option<String>> {
    let files = files(directory);
    let Some(_) = files.first() else {
        return Ok(None);
    };
    let newest = &files[files.len().saturating_sub(NEWEST)..];
    let path = if dice.once_in(3) {
        dice.pick(&files)
    } else {
        dice.pick(newest)
    };
    let Ok(before) = fs::read(path) else {
        return Ok(None);
    };
    let way = *dice.pick(&WAYS);
    let name = path.strip_prefix(directory).unwrap_or(path).display();
    let bytes = before.len();
    if way == Way::Delete {
        fs::remove_file(path).with_context(|| format!("deleting {name}"))?;
        return Ok(Some(format!("{name} ({bytes} bytes) is deleted")));
    }
    let after = changed(before.clone(), way, dice);
    ensure!(after != before, "the damage to {name} is none");
    // In place, as a disk does it: no other file takes its name.
    fs::write(path, &after).with_context(|| format!("damaging {name}"))?;
    let left = after.len();
    Ok(Some(format!(
        "{name} ({bytes} bytes): {way:?}, {left} bytes are left"
    )))
}

fn changed(mut bytes: Vec<u8>, way: Way, dice: &mut Dice) -> Vec<u8> {
    let length = bytes.len() as u64;
    match way {
        Way::Flip => {
            let place = dice.below(length) as usize;
            bytes[place] ^= 1 << dice.below(8);
        }
        Way::Truncate => bytes.truncate(dice.below(length) as usize),
        Way::Append => bytes.extend((0..=dice.below(100)).map(|byte| byte as u8)),
        Way::Empty | Way::Delete => bytes.clear(),
    }
    bytes
}
