//! All that a place has, looked at without using it: for whoever verifies, watches or copies it.

use super::damage::{Damaged, verify, verify_bytes};
use super::error::CheckpointError;
use super::load::{LoadOptions, Looked};
use super::manifest::{Manifest, Unread};
use super::name::{self, Kind};
use super::place::{Place, PlaceError};

/// A checkpoint as it lies there.
#[derive(Debug)]
pub struct Examined {
    /// Its manifest's file.
    pub name: String,
    /// What that says, if it can be read.
    pub manifest: Option<Manifest>,
    /// What is damaged of it; nothing if it is whole.
    pub damaged: Vec<Damaged>,
}

/// Looks at every checkpoint, newest first.
pub fn examine(place: &Place, is_gapless: bool) -> Result<Vec<Examined>, CheckpointError> {
    let options = LoadOptions {
        threads: 1,
        is_gapless,
    };
    let sizes = place.list("")?.into_iter().collect();
    let mut looked = Looked::new(place, &sizes);
    let mut all = Vec::new();
    for name in manifests(place)?.into_iter().rev() {
        let mut manifest = None;
        let damaged = looked.load(&name, options, &mut manifest)?.err();
        all.push(Examined {
            name,
            manifest: manifest.map(|manifest| *manifest),
            damaged: damaged.unwrap_or_default(),
        });
    }
    Ok(all)
}

/// What is damaged of the newest checkpoint. `go_on` is told after each file how many bytes it
/// has, and says whether to go on; none if it does not, or there is no checkpoint.
pub fn examine_newest(
    place: &Place,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Vec<Damaged>>, PlaceError> {
    let Some(newest) = manifests(place)?.pop() else {
        return Ok(None);
    };
    let Some(bytes) = place.get(&newest)? else {
        return Ok(None);
    };
    let manifest = match Manifest::decode(&newest, &bytes) {
        Ok(manifest) => manifest,
        Err(Unread::Damaged(damaged)) => return Ok(Some(vec![damaged])),
        // Another version's, which is its matter.
        Err(_) => return Ok(None),
    };
    let mut damaged = Vec::new();
    for file in manifest.segments() {
        let bytes = place.get(&file.name)?;
        let read = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        damaged.extend(match &bytes {
            None => Some(Damaged::missing(&file.name)),
            Some(bytes) => verify(bytes, file).err(),
        });
        if !go_on(read) {
            return Ok(None);
        }
    }
    let named = &manifest.register;
    damaged.extend(match place.get(&named.name)? {
        None => Some(Damaged::missing(&named.name)),
        Some(bytes) => verify_bytes(&named.name, &bytes, named.bytes, &named.xxh3).err(),
    });
    Ok(Some(damaged))
}

/// Copies a checkpoint, its manifest last; `false` if a file went meanwhile, as those of an old
/// one do.
pub fn copy(from: &Place, to: &Place, manifest: &Manifest) -> Result<bool, PlaceError> {
    let last = name::manifest(manifest.number);
    for name in manifest.files().chain([last.as_str()]) {
        let Some(bytes) = from.get(name)? else {
            return Ok(false);
        };
        to.put(name, bytes)?;
    }
    Ok(true)
}

/// The names of all manifests, oldest first.
fn manifests(place: &Place) -> Result<Vec<String>, PlaceError> {
    let names = place.list("")?.into_iter().map(|(name, _)| name);
    let is_manifest = |name: &String| matches!(Kind::of(name), Some(Kind::Manifest(_)));
    Ok(names.filter(is_manifest).collect())
}
