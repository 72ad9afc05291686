//! A sweep keeps what a kept checkpoint names and what is not ours, and leaves nothing else.

use std::collections::HashSet;

use super::damage::{OPTIONS, manifest};
use super::events::Directory;
use super::merging::place_in;
use crate::checkpoint::load::load;
use crate::checkpoint::manifest::{FORMAT, Manifest, Run, commit, put_segment};
use crate::checkpoint::name::{self, FileNames};
use crate::checkpoint::place::Place;
use crate::checkpoint::retention::{Keep, Swept, sweep};
use crate::checkpoint::segment::write;

/// Names and their kinds as a place has them.
fn files(place: &Place) -> HashSet<String> {
    place
        .list("")
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn put(place: &Place, name: String) -> Run {
    let written = write(Vec::new(), Directory::default().numbering(), 1).unwrap();
    Run {
        files: vec![put_segment(place, name, written).unwrap()],
    }
}

/// Five checkpoints, each with a segment of its own and all with the first one's.
fn five(place: &Place) -> Vec<Manifest> {
    let names = FileNames::new(0);
    let shared = put(place, names.segment(1));
    (1..=5)
        .map(|number| {
            let runs = vec![shared.clone(), put(place, names.segment(number))];
            let manifest = manifest(place, number, runs).unwrap();
            commit(place, &manifest).unwrap();
            manifest
        })
        .collect()
}

#[test]
fn a_sweep_keeps_two_checkpoints_and_all_that_they_name() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    let manifests = five(&place);
    let strange = ["notes.txt", "segment-1.parquet", "manifest-latest.json"];
    for name in strange {
        place.put(name, "mine".into()).unwrap();
    }
    let names = FileNames::new(1);
    let (growing, merging) = (names.segment(6), names.merged(2));
    put(&place, growing.clone());
    put(&place, merging.clone());
    put(&place, names.merged(3));
    let keep = Keep {
        in_use: HashSet::from([merging.clone()]),
        damaged: HashSet::new(),
    };
    let swept = sweep(&place, &keep).unwrap();
    assert_eq!(swept.kept, [5, 4]);
    assert_eq!(swept.failed, Vec::<String>::new());
    // Three manifests, three segments (the shared one stays), an unfinished merge, and the
    // registers of the first two and the third.
    assert_eq!(swept.deleted.len(), 3 + 3 + 1 + 1, "{:?}", swept.deleted);

    let mut expected: HashSet<String> = strange.map(str::to_string).into();
    expected.extend([growing, merging, name::manifest(4), name::manifest(5)]);
    for manifest in &manifests[3..] {
        expected.extend(manifest.files().map(str::to_string));
    }
    assert_eq!(files(&place), expected);
    assert_eq!(
        load(&place, OPTIONS).unwrap().checkpoint.unwrap().0,
        manifests[4]
    );
}

#[test]
fn a_checkpoint_that_is_not_whole_is_none_of_the_two() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    let manifests = five(&place);
    // One is cut short, which shows, and one is known from a start to be damaged inside.
    let cut = &manifests[3].runs[1].files[0].name;
    place.put(cut, "cut".into()).unwrap();
    let keep = Keep {
        in_use: HashSet::new(),
        damaged: HashSet::from([manifests[2].runs[1].files[0].name.clone()]),
    };
    assert_eq!(sweep(&place, &keep).unwrap().kept, [5, 2]);
    for name in manifests[1].files() {
        assert!(place.get(name).unwrap().is_some(), "{name}");
    }
}

#[test]
fn without_a_whole_checkpoint_nothing_is_deleted() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    let manifests = five(&place);
    place.delete(&manifests[0].runs[0].files[0].name).unwrap();
    let before = files(&place);
    assert_eq!(sweep(&place, &Keep::default()).unwrap(), Swept::default());
    assert_eq!(files(&place), before);
}

#[test]
fn beside_a_newer_version_nothing_is_deleted() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    five(&place);
    let newer = Manifest {
        format: FORMAT + 1,
        ..manifest(&place, 6, Vec::new()).unwrap()
    };
    commit(&place, &newer).unwrap();
    let before = files(&place);
    assert_eq!(sweep(&place, &Keep::default()).unwrap(), Swept::default());
    assert_eq!(files(&place), before);
}
