//! Which files stay.
//!
//! After a commit the newest two checkpoints that are whole stay, with every file that they name;
//! so one that turns out to be damaged always has one before it. Deletes only what is a
//! checkpoint's by its name, and nothing that is as new as the newest checkpoint: that may be on
//! its way into the next one.

use std::collections::{BTreeMap, HashSet};

use super::damage::SegmentRef;
use super::manifest::{Manifest, Unread};
use super::name::Kind;
use super::place::{Place, PlaceError};

/// How many whole checkpoints stay.
const CHECKPOINTS_KEPT: usize = 2;

/// What stays beside the checkpoints.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// Files that are being written, or wait to be named by the next manifest.
    pub in_use: HashSet<String>,
    /// Files that are known to be damaged: a checkpoint that names one is not whole, however it
    /// looks.
    pub damaged: HashSet<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The numbers of the checkpoints that stay, newest first.
    pub kept: Vec<u64>,
    /// Files that are deleted.
    pub deleted: Vec<String>,
    /// Files that could not be deleted; the next sweep tries again.
    pub failed: Vec<String>,
}

/// Deletes what no checkpoint needs any more. Sizes are compared, contents are not read.
pub fn sweep(place: &Place, keep: &Keep) -> Result<Swept, PlaceError> {
    let sizes: BTreeMap<String, u64> = place.list("")?.into_iter().collect();
    let mut swept = Swept::default();
    let mut named: HashSet<String> = keep.in_use.clone();
    // Names of manifests sort by number.
    for name in sizes.keys().rev() {
        let Some(Kind::Manifest(number)) = Kind::of(name) else {
            continue;
        };
        if swept.kept.len() == CHECKPOINTS_KEPT {
            break;
        }
        match read(place, name)? {
            Some(Err(Unread::NewerFormat(_))) => {
                tracing::warn!(
                    place = place.text(),
                    manifest = name,
                    "a newer version writes here too: no file of an older checkpoint is deleted"
                );
                return Ok(Swept::default());
            }
            Some(Ok(manifest)) if is_whole(&manifest, name, &sizes, keep) => {
                named.extend(manifest.files().map(str::to_string));
                named.insert(name.clone());
                swept.kept.push(number);
            }
            _ => {}
        }
    }
    let Some(&newest) = swept.kept.first() else {
        return Ok(swept);
    };
    for name in in_order(sizes.keys(), newest, &named) {
        match place.delete(name) {
            Ok(()) => swept.deleted.push(name.clone()),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a file of an old checkpoint stays until it can be deleted"
                );
                swept.failed.push(name.clone());
            }
        }
    }
    Ok(swept)
}

fn read(place: &Place, name: &str) -> Result<Option<Result<Manifest, Unread>>, PlaceError> {
    let bytes = place.get(name)?;
    Ok(bytes.map(|bytes| Manifest::decode(name, &bytes)))
}

fn is_whole(manifest: &Manifest, name: &str, sizes: &BTreeMap<String, u64>, keep: &Keep) -> bool {
    let is_there =
        |name: &str, bytes: u64| sizes.get(name) == Some(&bytes) && !keep.damaged.contains(name);
    let segment_is_there = |file: &SegmentRef| is_there(&file.name, file.bytes);
    !keep.damaged.contains(name)
        && is_there(&manifest.register.name, manifest.register.bytes)
        && manifest.segments().all(segment_is_there)
}

/// What goes, manifests first: one that is left without its files would look damaged.
fn in_order<'a>(
    files: impl Iterator<Item = &'a String>,
    newest: u64,
    named: &HashSet<String>,
) -> Vec<&'a String> {
    let mut gone: Vec<(bool, &String)> = files
        .filter(|name| !named.contains(*name))
        .filter_map(|name| {
            let kind = Kind::of(name)?;
            let is_old = kind.number().is_none_or(|number| number < newest);
            is_old.then_some((!matches!(kind, Kind::Manifest(_)), name))
        })
        .collect();
    gone.sort_unstable();
    gone.into_iter().map(|(_, name)| name).collect()
}
