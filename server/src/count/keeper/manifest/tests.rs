//! Manifests at a place whose answers are lost.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, bounded};
use dataflow::directory::{Directory, Names};
use dataflow::engine::{ClosedTick, Mark};
use dataflow::graph::Closed;
use dataflow::hash::KeyedHash;
use dataflow::intake::Arrival;
use dataflow::kept::{Kept, KeptState, Numbering};
use dataflow::view::ViewSettings;

use super::*;
use crate::checkpoint::{
    LoadOptions, Lock, Place, PlaceError, Store, load, put_segment, write_files,
};

/// A place that does what it is asked, and says once that it failed when told so; a merge waits
/// there until it is let on.
struct Lossy {
    inner: Place,
    loses_next: Arc<AtomicBool>,
    lets_on: Receiver<()>,
}

impl Store for Lossy {
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        if name.starts_with("merged") {
            let _ = self.lets_on.recv();
        }
        self.inner.put(name, bytes)
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.inner.put_new(name, bytes)?;
        if self.loses_next.swap(false, Ordering::SeqCst) {
            return Err(PlaceError::Failed {
                attempt: format!("write '{name}'"),
                place: self.inner.text().to_string(),
                source: "its answer did not come in time".into(),
            });
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, PlaceError> {
        self.inner.get(name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PlaceError> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        self.inner.delete(name)
    }

    fn lock(&self) -> Result<Lock, PlaceError> {
        self.inner.lock()
    }
}

fn directory_place(path: &Path) -> Place {
    // A directory needs no runtime, and any handle will do.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let handle = runtime.unwrap().handle().clone();
    Place::open(path.to_str().unwrap(), handle).unwrap()
}

fn settings(place: &Place) -> Settings {
    Settings {
        place: place.clone(),
        process: 0,
        processes: 1,
        workers: 1,
        topic: "votes".to_string(),
        topic_id: "t".to_string(),
        key_fingerprint: "00".to_string(),
        lateness_ms: 60_000,
        format: Default::default(),
        next_number: 1,
        runs: Vec::new(),
        damaged: Vec::new(),
        register: Arc::default(),
        is_first: true,
    }
}

/// Everything of a checkpoint: the event of one voter, and the views.
fn complete(manifests: &mut Manifests, settings: &Settings, number: u64) {
    let event = Arrival {
        voter: number.into(),
        ..Arrival::default()
    };
    let state = KeptState::Accepted;
    let mut names = Names::default();
    names.give("the only one");
    let numbering = Numbering {
        contests: &names,
        candidates: &names,
        locations: &names,
    };
    let mut files = Vec::new();
    let written = write_files(&[Kept { event, state }], numbering, number, |encoded| {
        let name = manifests.names.segment(number);
        files.push(put_segment(&settings.place, name, encoded)?);
        Ok::<(), CheckpointError>(())
    });
    written.unwrap();
    manifests.part(Part {
        number,
        process: 0,
        partitions: Vec::new(),
        runs: vec![Run { files }],
    });
    let directory = Directory::default().adopt(&settings.register, &KeyedHash::new([0; 16]));
    let closed = ClosedTick {
        tick: 1_000 + number,
        mark: Mark::Checkpoint(number),
        closed: Closed {
            directory: Some(Arc::new(directory)),
            ..Closed::default()
        },
    };
    let publication = Snapshot::empty(ViewSettings {
        topic: "votes".into(),
        lateness_ms: settings.lateness_ms,
        horizon_ms: 86_400_000,
    })
    .apply(closed);
    manifests.totals(number, publication.snapshot);
}

fn wait_for_merge(manifests: &Manifests) {
    let until = Instant::now() + Duration::from_secs(10);
    while !manifests.merge.as_ref().unwrap().0.is_finished() {
        assert!(Instant::now() < until, "the merge does not end");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_checkpoint_whose_answer_was_lost_is_committed_by_the_next_try() {
    let temp = tempfile::tempdir().unwrap();
    let (let_on, lets_on) = bounded(1);
    let loses_next = Arc::new(AtomicBool::new(false));
    let place = Place::new(
        "lossy",
        Arc::new(Lossy {
            inner: directory_place(temp.path()),
            loses_next: Arc::clone(&loses_next),
            lets_on,
        }),
    );
    let settings = settings(&place);
    let mut manifests = Manifests::new(&settings, Arc::new(FileNames::new(0)));
    let mut number = 0;
    while !manifests.is_merging() {
        number += 1;
        complete(&mut manifests, &settings, number);
        let committed = manifests.advance(&settings).unwrap().unwrap();
        assert_eq!(committed.number, number);
    }

    number += 1;
    complete(&mut manifests, &settings, number);
    loses_next.store(true, Ordering::SeqCst);
    assert!(manifests.advance(&settings).is_err());
    // What the next try may not take up, as another time neither.
    let_on.send(()).unwrap();
    wait_for_merge(&manifests);
    let committed = manifests.advance(&settings).unwrap().unwrap();
    assert_eq!((committed.number, committed.rows), (number, number));

    // The merged run comes with the next.
    number += 1;
    complete(&mut manifests, &settings, number);
    let committed = manifests.advance(&settings).unwrap().unwrap();
    assert_eq!((committed.number, committed.rows), (number, number));
    assert!(committed.files < number as usize, "{committed:?}");
    let loaded = load(
        &place,
        LoadOptions {
            threads: 1,
            is_gapless: false,
        },
    )
    .unwrap();
    let (manifest, _) = loaded.checkpoint.unwrap();
    assert_eq!((manifest.number, loaded.damaged), (number, Vec::new()));
}
