//! The newest whole checkpoint of a place.
//!
//! Whole means: the manifest has its own checksum, and every file that it names is there with the
//! size and the checksum that it names. One that is not whole is passed over loudly, since the one
//! before it is as right and only costs a longer way through the log.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use dataflow::register::Register;

use super::damage::{Damaged, SegmentRef, verify, verify_bytes};
use super::error::CheckpointError;
use super::manifest::{Manifest, Unread};
use super::name::{self, Kind};
use super::place::{Place, PlaceError};

/// How to load.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// How many files are read at a time; each is held in memory as a whole.
    pub threads: usize,
    /// Whether every offset of the log has a message.
    pub is_gapless: bool,
}

/// What a place has.
#[derive(Debug)]
pub struct Loaded {
    /// The newest whole checkpoint; `None` if there has never been one.
    pub checkpoint: Option<(Manifest, Register)>,
    /// The number of the checkpoint to write next: above every file that is there, whole or not,
    /// so that no name is used twice.
    pub next_number: u64,
    /// What was found damaged, for `/status` and for [`sweep`](super::sweep).
    pub damaged: Vec<Damaged>,
}

/// Loads the newest whole checkpoint. Reads every file that it names, once.
pub fn load(place: &Place, options: LoadOptions) -> Result<Loaded, CheckpointError> {
    let sizes: BTreeMap<String, u64> = place.list("")?.into_iter().collect();
    let kinds = || {
        sizes
            .keys()
            .filter_map(|name| Some((name, Kind::of(name)?)))
    };
    let next_number = after(kinds().filter_map(|(_, kind)| kind.number()).max());
    let mut manifests: Vec<(u64, &String)> = kinds()
        .filter_map(|(name, kind)| match kind {
            Kind::Manifest(number) => Some((number, name)),
            _ => None,
        })
        .collect();
    manifests.sort_unstable();
    let mut loaded = Loaded {
        checkpoint: None,
        next_number,
        damaged: Vec::new(),
    };
    let mut looked = Looked::new(place, &sizes);
    let mut newest = None;
    for (_, name) in manifests.iter().rev() {
        match looked.load(name, options, &mut newest)? {
            Ok(checkpoint) => {
                loaded.checkpoint = Some(checkpoint);
                return Ok(loaded);
            }
            Err(found) => {
                tell(place, name, &found);
                for damaged in found {
                    // Checkpoints share files.
                    if !loaded.damaged.contains(&damaged) {
                        loaded.damaged.push(damaged);
                    }
                }
            }
        }
    }
    if manifests.is_empty() {
        return Ok(loaded);
    }
    Err(CheckpointError::NoneWhole {
        place: place.text().to_string(),
        damaged: loaded.damaged,
        newest,
        next_number,
    })
}

/// The checkpoint of a number, which another process has verified. Its segments are verified when
/// they are read.
pub fn load_number(place: &Place, number: u64) -> Result<(Manifest, Register), CheckpointError> {
    let name = name::manifest(number);
    let sizes = place.list("")?.into_iter().collect();
    let looked = Looked::new(place, &sizes);
    let read = match looked.manifest(&name)? {
        Ok(manifest) => looked
            .register(&manifest)?
            .map(|register| (manifest, register)),
        Err(damaged) => Err(damaged),
    };
    read.map_err(|damaged| CheckpointError::Damaged {
        place: place.text().to_string(),
        damaged,
    })
}

/// The number of the checkpoint to write next, whatever is there.
pub fn next_number(place: &Place) -> Result<u64, CheckpointError> {
    let names = place.list("")?;
    let numbers = names
        .iter()
        .filter_map(|(name, _)| Kind::of(name)?.number());
    Ok(after(numbers.max()))
}

fn after(newest: Option<u64>) -> u64 {
    newest.map_or(1, |number| number.saturating_add(1))
}

fn tell(place: &Place, manifest: &str, found: &[Damaged]) {
    for damaged in found {
        tracing::error!(
            place = place.text(),
            manifest,
            file = damaged.name,
            "a checkpoint is damaged and the one before it is tried: {damaged}"
        );
    }
}

/// The bytes of a segment of a checkpoint that was loaded, verified.
pub fn read_segment(place: &Place, segment: &SegmentRef) -> Result<Bytes, CheckpointError> {
    let damaged = |damaged| CheckpointError::Damaged {
        place: place.text().to_string(),
        damaged,
    };
    let bytes = place.get(&segment.name)?;
    let bytes = bytes.ok_or_else(|| damaged(Damaged::missing(&segment.name)))?;
    verify(&bytes, segment).map_err(damaged)?;
    Ok(bytes)
}

/// What is known of a place's files.
pub(super) struct Looked<'a> {
    place: &'a Place,
    sizes: &'a BTreeMap<String, u64>,
    /// By file and by what is expected of it, since damage may make manifests differ.
    results: BTreeMap<(String, String), Option<Damaged>>,
}

pub(super) type Attempt = Result<(Manifest, Register), Vec<Damaged>>;

impl<'a> Looked<'a> {
    /// Nothing is known yet.
    pub(super) fn new(place: &'a Place, sizes: &'a BTreeMap<String, u64>) -> Looked<'a> {
        Looked {
            place,
            sizes,
            results: BTreeMap::new(),
        }
    }

    /// A checkpoint, or what is damaged of it.
    /// The first manifest that can be read is kept in `newest`.
    pub(super) fn load(
        &mut self,
        name: &str,
        options: LoadOptions,
        newest: &mut Option<Box<Manifest>>,
    ) -> Result<Attempt, CheckpointError> {
        let manifest = match self.manifest(name)? {
            Ok(manifest) => manifest,
            Err(damaged) => return Ok(Err(vec![damaged])),
        };
        if options.is_gapless
            && let Err(damaged) = manifest.check_gapless()
        {
            return Ok(Err(vec![damaged]));
        }
        if newest.is_none() {
            *newest = Some(Box::new(manifest.clone()));
        }
        let mut damaged = self.check_segments(&manifest, options.threads)?;
        match self.register(&manifest)? {
            Ok(register) if damaged.is_empty() => return Ok(Ok((manifest, register))),
            Ok(_) => {}
            Err(found) => damaged.push(found),
        }
        Ok(Err(damaged))
    }

    fn manifest(&self, name: &str) -> Result<Result<Manifest, Damaged>, CheckpointError> {
        let Some(bytes) = self.place.get(name)? else {
            return Ok(Err(Damaged::missing(name)));
        };
        match Manifest::decode(name, &bytes) {
            Ok(manifest) => Ok(Ok(manifest)),
            Err(Unread::Damaged(damaged)) => Ok(Err(damaged)),
            Err(Unread::NewerFormat(found)) => Err(CheckpointError::NewerFormat {
                name: name.to_string(),
                place: self.place.text().to_string(),
                found,
            }),
            Err(Unread::OlderFormat(found)) => Err(CheckpointError::OlderFormat {
                name: name.to_string(),
                place: self.place.text().to_string(),
                found,
            }),
        }
    }

    fn register(&self, manifest: &Manifest) -> Result<Result<Register, Damaged>, PlaceError> {
        let named = &manifest.register;
        let Some(bytes) = self.place.get(&named.name)? else {
            return Ok(Err(Damaged::missing(&named.name)));
        };
        let parsed = verify_bytes(&named.name, &bytes, named.bytes, &named.xxh3).and_then(|()| {
            serde_json::from_slice(&bytes)
                .map_err(|error| Damaged::new(&named.name, format!("is no register ({error})")))
        });
        Ok(parsed)
    }

    fn check_segments(
        &mut self,
        manifest: &Manifest,
        threads: usize,
    ) -> Result<Vec<Damaged>, PlaceError> {
        let key = |segment: &SegmentRef| (segment.name.clone(), segment.xxh3.clone());
        let unknown: Vec<&SegmentRef> = manifest
            .segments()
            .filter(|segment| !self.results.contains_key(&key(segment)))
            .collect();
        for (segment, result) in self.check_unknown(&unknown, threads)? {
            self.results.insert(key(segment), result);
        }
        let known = manifest
            .segments()
            .map(|segment| &self.results[&key(segment)]);
        Ok(known.flatten().cloned().collect())
    }

    /// Reads files on several threads, each the next one that nobody has taken.
    fn check_unknown<'s>(
        &self,
        segments: &[&'s SegmentRef],
        threads: usize,
    ) -> Result<Vec<(&'s SegmentRef, Option<Damaged>)>, PlaceError> {
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let check = || {
            while let Some(segment) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = self.check_segment(segment);
                let failed = result.is_err();
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push(result.map(|damaged| (*segment, damaged)));
                if failed {
                    next.store(segments.len(), Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads.min(segments.len()) {
                scope.spawn(check);
            }
            check();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().collect()
    }

    fn check_segment(&self, segment: &SegmentRef) -> Result<Option<Damaged>, PlaceError> {
        match self.sizes.get(&segment.name) {
            None => return Ok(Some(Damaged::missing(&segment.name))),
            Some(size) if *size != segment.bytes => {
                let what = format!("has {size} bytes where {} were written", segment.bytes);
                return Ok(Some(Damaged::new(&segment.name, what)));
            }
            Some(_) => {}
        }
        Ok(match self.place.get(&segment.name)? {
            None => Some(Damaged::missing(&segment.name)),
            Some(bytes) => verify(&bytes, segment).err(),
        })
    }
}
