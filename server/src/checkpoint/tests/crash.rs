//! A crash, or a failing place, between any two steps leaves a checkpoint that loads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use super::damage::{OPTIONS, events_of, manifest, some_events};
use super::events::{Directory, Event, Events};
use super::merging::place_in;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::load::load;
use crate::checkpoint::manifest::{Run, commit, put_segment};
use crate::checkpoint::merge::merge;
use crate::checkpoint::name::FileNames;
use crate::checkpoint::place::{Lock, Place, PlaceError, Store};
use crate::checkpoint::retention::{Keep, sweep};
use crate::checkpoint::segment::write;

/// A place whose disk fills up after so many writes; the last of them may be done all the same,
/// as when the answer to it is lost.
struct Failing {
    inner: Place,
    writes_left: AtomicUsize,
    last_is_done: bool,
}

impl Failing {
    fn change(
        &self,
        attempt: &str,
        change: impl FnOnce() -> Result<(), PlaceError>,
    ) -> Result<(), PlaceError> {
        let take = |left: usize| left.checked_sub(1);
        match self
            .writes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
        {
            Ok(1) if self.last_is_done => change()?,
            Ok(2..) => return change(),
            Ok(1) | Ok(0) | Err(_) => {}
        }
        Err(PlaceError::Full {
            attempt: attempt.to_string(),
            place: self.inner.text().to_string(),
        })
    }
}

impl Store for Failing {
    fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.change(&format!("write '{name}'"), || self.inner.put(name, bytes))
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.change(&format!("write '{name}'"), || {
            self.inner.put_new(name, bytes)
        })
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, PlaceError> {
        self.inner.get(name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PlaceError> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        self.change(&format!("delete '{name}'"), || self.inner.delete(name))
    }

    fn lock(&self) -> Result<Lock, PlaceError> {
        self.inner.lock()
    }
}

/// Writes checkpoints as a server would: what is new, the manifest, then a merge and a sweep.
fn checkpoint(
    place: &Place,
    rows: &[Event],
    runs: &mut Vec<Run>,
    number: u64,
) -> Result<(), CheckpointError> {
    let (names, directory) = (FileNames::new(0), Directory::knowing(0));
    let kept = rows.iter().map(|event| directory.kept(event)).collect();
    let written = write(kept, directory.numbering(), number)?;
    let file = put_segment(place, names.segment(number), written)?;
    runs.push(Run { files: vec![file] });
    commit(place, &manifest(place, number, runs.clone())?)?;
    sweep(place, &Keep::default())?;
    if runs.len() > 2 {
        let stop = AtomicBool::new(false);
        let merged = merge(place, runs, number + 1, &names, &Default::default(), &stop);
        // A merge that fails is no reason to end.
        if let Ok(Some(run)) = merged {
            *runs = vec![run];
        }
    }
    Ok(())
}

/// What a loaded checkpoint may hold: a version of an event is as good as another, since merges
/// put them together, so only keys are compared.
fn keys(events: &Events) -> Vec<&super::events::Key> {
    events.keys().collect()
}

#[test]
fn a_crash_between_any_two_steps_leaves_the_checkpoint_before_or_the_new_one() {
    let all = some_events(60);
    let parts: Vec<&[Event]> = all.chunks(10).collect();
    let mut ended_early = 0;
    for writes in 0..40 {
        for last_is_done in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let place = place_in(&temp);
            let failing = Failing {
                inner: place.clone(),
                writes_left: AtomicUsize::new(writes),
                last_is_done,
            };
            let failing = Place::new("failing", Arc::new(failing));
            let (mut runs, mut committed) = (Vec::new(), 0);
            for (number, rows) in (1..).zip(&parts) {
                match checkpoint(&failing, rows, &mut runs, number) {
                    Ok(()) => committed = number,
                    Err(error) => {
                        assert!(error.to_string().contains("is full"), "{error}");
                        ended_early += 1;
                        break;
                    }
                }
            }
            let loaded = load(&place, OPTIONS).unwrap();
            assert_eq!(loaded.damaged, []);
            let found = match &loaded.checkpoint {
                None => 0,
                Some((manifest, _)) => {
                    let expected = all[..manifest.number as usize * 10].iter().cloned();
                    let expected: Events = expected.collect();
                    assert_eq!(keys(&events_of(&place, manifest)), keys(&expected));
                    manifest.number
                }
            };
            assert!(
                found == committed || found == committed + 1,
                "{found} {committed}"
            );
            assert!(loaded.next_number > found);

            // It goes on from there.
            let mut runs = loaded
                .checkpoint
                .map_or_else(Vec::new, |(manifest, _)| manifest.runs);
            checkpoint(
                &place,
                &all[found as usize * 10..],
                &mut runs,
                loaded.next_number,
            )
            .unwrap();
            let (manifest, _) = load(&place, OPTIONS).unwrap().checkpoint.unwrap();
            let expected: Events = all.iter().cloned().collect();
            assert_eq!(keys(&events_of(&place, &manifest)), keys(&expected));
        }
    }
    assert!(ended_early > 20, "{ended_early}");
}

#[test]
fn a_second_server_in_one_place_is_noticed_when_it_commits() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    let first = manifest(&place, 1, Vec::new()).unwrap();
    commit(&place, &first).unwrap();
    // The same again, as after an answer that was lost.
    commit(&place, &first).unwrap();
    let mut other = first;
    other.tick += 1;
    let error = commit(&place, &other).unwrap_err();
    assert!(
        matches!(error, CheckpointError::Taken { number: 1, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("another server"));
}
