//! Damage to any file is seen, and answered by the checkpoint before or by an error with a way
//! out: never by other counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dataflow::register::{Contest, Election, Register};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::events::{Directory, Events, events};
use super::merging::place_in;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::load::{LoadOptions, Loaded, load, read_segment};
use crate::checkpoint::manifest::{
    Counts, FORMAT, Manifest, Partition, Run, commit, put_register, put_segment,
};
use crate::checkpoint::name::{self, FileNames};
use crate::checkpoint::place::Place;
use crate::checkpoint::retention::{Keep, sweep};
use crate::checkpoint::segment::{Segment, write};

pub const OPTIONS: LoadOptions = LoadOptions {
    threads: 2,
    is_gapless: false,
};

pub fn register(name: &str) -> Register {
    Register {
        elections: vec![Election {
            election_id: "e".to_string(),
            name: Some(name.to_string()),
            ..Election::default()
        }],
        contests: vec![
            serde_json::from_str::<Contest>(r#"{"contest_id": "mayor", "election_id": "e"}"#)
                .unwrap(),
        ],
        ..Register::default()
    }
}

pub fn manifest(place: &Place, number: u64, runs: Vec<Run>) -> Result<Manifest, CheckpointError> {
    let register = register(&format!("as of {}", number.div_ceil(2)));
    let register_version = register.version();
    Ok(Manifest {
        format: FORMAT,
        number,
        tick: 1_000 * number,
        topic: "votes".to_string(),
        topic_id: "t".to_string(),
        key_fingerprint: "00".to_string(),
        lateness_ms: 60_000,
        format_of_messages: Default::default(),
        partitions: vec![Partition {
            partition: 3,
            first_offset: 0,
            next_offset: 12,
            latest_ms: Some(-5),
        }],
        counts: Counts {
            messages: 2,
            refused: BTreeMap::from([("malformed_json".to_string(), 2)]),
            ..Counts::default()
        },
        register: put_register(place, &register, &register_version)?,
        register_version,
        runs,
        written_at: "2013-11-03T20:00:00.123Z".to_string(),
    })
}

/// Events that are the same each time.
pub fn some_events(count: usize) -> Vec<(super::events::Key, super::events::Rest)> {
    let tree = events(count).new_tree(&mut TestRunner::deterministic());
    tree.unwrap().current()
}

/// Two checkpoints that share a segment; gives what each of them holds.
fn fill(place: &Place) -> [Events; 2] {
    let (names, directory) = (FileNames::new(0), Directory::knowing(0));
    let all = some_events(60);
    let put = |range: std::ops::Range<usize>, number| {
        let kept = all[range]
            .iter()
            .map(|event| directory.kept(event))
            .collect();
        let written = write(kept, directory.numbering(), number).unwrap();
        let file = put_segment(place, names.segment(number), written).unwrap();
        Run { files: vec![file] }
    };
    let one = vec![put(0..30, 1)];
    commit(place, &manifest(place, 1, one.clone()).unwrap()).unwrap();
    let two = vec![one[0].clone(), put(30..60, 2)];
    // It has another register, too.
    commit(place, &manifest(place, 3, two).unwrap()).unwrap();
    [
        all[..30].iter().cloned().collect(),
        all.into_iter().collect(),
    ]
}

/// The events of a loaded checkpoint, later runs over earlier ones.
pub fn events_of(place: &Place, manifest: &Manifest) -> Events {
    let directory = Directory::knowing(1);
    let mut all = Events::new();
    for file in manifest.segments() {
        let segment = Segment::open(read_segment(place, file).unwrap()).unwrap();
        for group in 0..segment.row_groups() {
            let rows = segment.read(group, directory.numbering()).unwrap();
            all.extend(rows.iter().map(|kept| directory.event(kept)));
        }
    }
    all
}

/// Commits, loads and sweeps, and notices damage.
pub fn cycle(place: &Place) {
    let _lock = place.lock().unwrap();
    let [before, newest] = fill(place);
    let (found, _) = load(place, OPTIONS).unwrap().checkpoint.unwrap();
    assert_eq!(events_of(place, &found), newest);
    place
        .put(&found.runs[1].files[0].name, "damaged".into())
        .unwrap();
    let (found, _) = load(place, OPTIONS).unwrap().checkpoint.unwrap();
    assert_eq!(events_of(place, &found), before);
    assert_eq!(sweep(place, &Keep::default()).unwrap().kept, [1]);
}

#[test]
fn a_place_without_checkpoints_has_none() {
    let temp = tempfile::tempdir().unwrap();
    let loaded = load(&place_in(&temp), OPTIONS).unwrap();
    assert!(loaded.checkpoint.is_none());
    assert_eq!((loaded.next_number, loaded.damaged.len()), (1, 0));
}

#[test]
fn a_checkpoint_comes_back_as_it_was_committed() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    let [_, newest] = fill(&place);
    let loaded = load(&place, OPTIONS).unwrap();
    let (found, found_register) = loaded.checkpoint.unwrap();
    assert_eq!(found_register, register("as of 2"));
    assert_eq!(found, manifest(&place, 3, found.runs.clone()).unwrap());
    assert_eq!(events_of(&place, &found), newest);
    assert_eq!((loaded.next_number, loaded.damaged.len()), (4, 0));
}

/// Does something to a copy of the place, and holds that what is loaded is right.
fn check(template: &Path, file: &str, what: &str, expected: &[Events; 2], harm: impl Fn(&Path)) {
    let temp = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(template).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), temp.path().join(entry.file_name())).unwrap();
    }
    let place = place_in(&temp);
    let is_part = [1, 3].map(|number| {
        let name = name::manifest(number);
        let bytes = fs::read(temp.path().join(&name)).unwrap();
        let manifest = Manifest::decode(&name, &bytes).unwrap();
        name == file || manifest.files().any(|name| name == file)
    });
    harm(&temp.path().join(file));
    match load(&place, OPTIONS) {
        Ok(Loaded {
            checkpoint: Some((found, _)),
            damaged,
            next_number,
        }) => {
            let whole = if is_part[1] { 0 } else { 1 };
            assert!(!is_part[whole], "{what} of {file} went unseen");
            assert_eq!(found.number, [1, 3][whole], "{what} of {file}");
            assert_eq!(
                events_of(&place, &found),
                expected[whole],
                "{what} of {file}"
            );
            // A manifest that was taken away was, for all that anybody can tell, never there.
            let is_gone = what == "deletion" && file == name::manifest(3);
            assert_eq!(
                damaged.is_empty(),
                whole == 1 || is_gone,
                "{what} of {file}"
            );
            assert!(damaged.iter().all(|damaged| damaged.name == file));
            assert!(next_number == 4 || is_gone && next_number == 3);
        }
        Ok(_) => panic!("{what} of {file}: no checkpoint and no error"),
        Err(error) => {
            assert!(is_part == [true, true], "{what} of {file}: {error}");
            let text = error.to_string();
            assert!(text.contains(file) && text.contains("--recount"), "{text}");
        }
    }
}

#[test]
fn damage_anywhere_is_answered_by_the_checkpoint_before_or_by_a_way_out() {
    let template = tempfile::tempdir().unwrap();
    let place = place_in(&template);
    let expected = fill(&place);
    for (file, size) in place.list("").unwrap() {
        let check = |what: &str, harm: &dyn Fn(&Path)| {
            check(template.path(), &file, what, &expected, harm);
        };
        check("deletion", &|path| fs::remove_file(path).unwrap());
        check("emptying", &|path| fs::write(path, b"").unwrap());
        check("other JSON", &|path| {
            fs::write(path, b"{\"format\": 1}").unwrap()
        });
        check("zeros", &|path| {
            fs::write(path, vec![0; size as usize]).unwrap()
        });
        for cut in [1, size / 2, size - 1] {
            check("truncation", &|path| {
                let bytes = fs::read(path).unwrap();
                fs::write(path, &bytes[..cut as usize]).unwrap();
            });
        }
        check("a byte more", &|path| {
            let mut bytes = fs::read(path).unwrap();
            bytes.push(b'x');
            fs::write(path, bytes).unwrap();
        });
        for at in (0..size as usize).step_by(size as usize / 64 + 1) {
            check("a flip", &|path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[at] ^= 1 << (at % 8);
                fs::write(path, bytes).unwrap();
            });
        }
    }
}

#[test]
fn a_newer_format_is_an_error_and_never_passed_over() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    fill(&place);
    let newer = Manifest {
        format: FORMAT + 1,
        ..manifest(&place, 4, Vec::new()).unwrap()
    };
    commit(&place, &newer).unwrap();
    let error = load(&place, OPTIONS).unwrap_err();
    assert!(matches!(
        error,
        CheckpointError::NewerFormat { found, .. } if found == FORMAT + 1
    ));
    assert!(
        error.to_string().contains("start the newer version"),
        "{error}"
    );
}

#[test]
fn an_older_format_is_an_error_that_says_recount_and_goes_after_one() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    let older = Manifest {
        format: FORMAT - 1,
        ..manifest(&place, 4, Vec::new()).unwrap()
    };
    commit(&place, &older).unwrap();
    let error = load(&place, OPTIONS).unwrap_err();
    assert!(matches!(
        error,
        CheckpointError::OlderFormat { found, .. } if found == FORMAT - 1
    ));
    assert!(error.to_string().contains("--recount"), "{error}");
    for number in [5, 6] {
        let recounted = manifest(&place, number, Vec::new()).unwrap();
        commit(&place, &recounted).unwrap();
    }
    let swept = sweep(&place, &Keep::default()).unwrap();
    assert!(swept.deleted.contains(&name::manifest(4)), "{swept:?}");
    let loaded = load(&place, OPTIONS).unwrap();
    assert_eq!(loaded.checkpoint.unwrap().0.number, 6);
}

#[test]
fn a_manifest_that_leads_out_of_its_place_is_damaged() {
    let temp = tempfile::tempdir().unwrap();
    let place = place_in(&temp);
    fill(&place);
    let mut strange = manifest(&place, 4, Vec::new()).unwrap();
    strange.register.name = "../register".to_string();
    commit(&place, &strange).unwrap();
    let loaded = load(&place, OPTIONS).unwrap();
    assert_eq!(loaded.checkpoint.unwrap().0.number, 3);
    assert!(
        loaded.damaged[0].what.contains("no register"),
        "{}",
        loaded.damaged[0]
    );
}
