//! A merge is the map that a plain loop makes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::events::{Directory, Event, Key, Rest, events, plain_casts};
use crate::checkpoint::damage::SegmentRef;
use crate::checkpoint::load::read_segment;
use crate::checkpoint::manifest::{Run, put_segment};
use crate::checkpoint::merge::{MergeError, Merger, merge, plan};
use crate::checkpoint::name::FileNames;
use crate::checkpoint::place::Place;
use crate::checkpoint::segment::{FILE_ROWS_MAX, Segment, write, write_files};

type Versions = BTreeMap<Key, (Rest, u64)>;

pub fn place_in(directory: &tempfile::TempDir) -> Place {
    // A directory needs no runtime, and any handle will do.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    Place::open(directory.path().to_str().unwrap(), runtime.handle().clone()).unwrap()
}

fn naive(runs: &[(Vec<Event>, u64)]) -> Versions {
    let mut all = Versions::new();
    for (rows, number) in runs {
        // Within a run the last holds, as it does where segments are written.
        let rows: BTreeMap<Key, Rest> = rows.iter().cloned().collect();
        for (key, rest) in rows {
            match all.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert((rest, *number));
                }
                Entry::Occupied(mut entry) => {
                    let (before, before_number) = entry.get().clone();
                    let late = before.late && rest.late;
                    let log_time_ms = before.log_time_ms.min(rest.log_time_ms);
                    let place = before.place.min(rest.place);
                    let newest = if *number >= before_number {
                        (rest.state, *number)
                    } else {
                        (before.state, before_number)
                    };
                    entry.insert((
                        Rest {
                            log_time_ms,
                            place,
                            late,
                            state: newest.0,
                        },
                        newest.1,
                    ));
                }
            }
        }
    }
    all
}

fn read_run(place: &Place, run: &Run, directory: &Directory) -> Vec<(Key, (Rest, u64))> {
    let mut rows = Vec::new();
    for file in &run.files {
        let segment = Segment::open(read_segment(place, file).unwrap()).unwrap();
        for group in 0..segment.row_groups() {
            let mut numbering = directory.numbering();
            let (kept, numbers) = segment.read_versions(group, &mut numbering).unwrap();
            for (kept, number) in kept.iter().zip(numbers) {
                let (key, rest) = directory.event(kept);
                rows.push((key, (rest, number)));
            }
        }
    }
    rows
}

fn put_run(place: &Place, names: &FileNames, rows: &[Event], number: u64) -> Run {
    let directory = Directory::knowing(number as usize % 3);
    let kept = rows.iter().map(|event| directory.kept(event)).collect();
    let written = write(kept, directory.numbering(), number).unwrap();
    let file = put_segment(place, names.segment(number), written).unwrap();
    Run { files: vec![file] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn a_merge_equals_a_naive_one(
        runs in prop::collection::vec((events(0..30), 1..6_u64), 1..7),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (place, names) = (place_in(&directory), FileNames::new(0));
        let put: Vec<Run> = runs
            .iter()
            .map(|(rows, number)| put_run(&place, &names, rows, *number))
            .collect();
        let merged = merge(&place, &put, 9, &names, &Default::default(), &AtomicBool::new(false));
        let merged = merged.unwrap().unwrap();
        let rows = read_run(&place, &merged, &Directory::knowing(1));
        let expected = naive(&runs);
        prop_assert_eq!(rows.len(), expected.len());
        prop_assert_eq!(rows.into_iter().collect::<Versions>(), expected);
    }
}

#[test]
fn merges_of_many_row_groups_and_files_lose_nothing_and_are_the_same_each_time() {
    let temp = tempfile::tempdir().unwrap();
    let (place, names) = (place_in(&temp), Arc::new(FileNames::new(0)));
    let mut directory = Directory::default();
    let count = FILE_ROWS_MAX as u64;
    // Two thirds of the casts are in both runs.
    let ranges = [0..count - count / 4, count / 4..count + 1000];
    let runs: Vec<Run> = (1..)
        .zip(ranges)
        .map(|(number, voters)| {
            let rows = plain_casts(voters, &mut directory);
            put_files(&place, &names, rows, &directory, number)
        })
        .collect();
    let start = || Merger::start(place.clone(), runs.clone(), 3, Arc::clone(&names)).unwrap();
    let (one, other) = (start(), start());
    let one = one.finish().unwrap().unwrap();
    let other = other.finish().unwrap().unwrap();
    let content = |run: &Run| -> Vec<(u64, String)> {
        run.files
            .iter()
            .map(|file| (file.rows, file.xxh3.clone()))
            .collect()
    };
    assert_eq!(content(&one), content(&other));
    assert_eq!(one.rows(), count + 1000);
    assert_eq!(one.files[0].rows, count);

    let mut expected: Vec<u128> = plain_casts(0..count + 1000, &mut directory)
        .iter()
        .map(|kept| kept.event.voter)
        .collect();
    expected.sort_unstable();
    let mut found = Vec::new();
    for file in &one.files {
        let segment = Segment::open(read_segment(&place, file).unwrap()).unwrap();
        for group in 0..segment.row_groups() {
            let rows = segment.read(group, directory.numbering()).unwrap();
            found.extend(rows.iter().map(|kept| kept.event.voter));
        }
    }
    assert!(found == expected);
}

pub fn put_files(
    place: &Place,
    names: &FileNames,
    rows: Vec<dataflow::kept::Kept>,
    directory: &Directory,
    number: u64,
) -> Run {
    let mut run = Run::default();
    write_files(&rows, directory.numbering(), number, |file| {
        run.files
            .push(put_segment(place, names.segment(number), file)?);
        Ok::<(), MergeError>(())
    })
    .unwrap();
    run
}

#[test]
fn a_merge_that_is_stopped_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (place, names) = (place_in(&temp), FileNames::new(0));
    let mut directory = Directory::default();
    let rows = plain_casts(0..40_000, &mut directory);
    let run = put_files(&place, &names, rows, &directory, 1);
    let before = place.list("").unwrap();
    let stop = AtomicBool::new(true);
    let merged = merge(
        &place,
        &[run.clone(), run],
        2,
        &names,
        &Default::default(),
        &stop,
    );
    assert!(merged.unwrap().is_none());
    assert_eq!(place.list("").unwrap(), before);
}

#[test]
fn a_merge_of_rows_in_another_order_is_an_error_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (place, names) = (place_in(&temp), FileNames::new(0));
    let mut directory = Directory::default();
    let rows = plain_casts(0..2000, &mut directory);
    let (low, high): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|kept| kept.event.voter < 1 << 127);
    let mut run = put_files(&place, &names, high, &directory, 1);
    run.files
        .extend(put_files(&place, &names, low, &directory, 1).files);
    let before = place.list("").unwrap();
    let stop = AtomicBool::new(false);
    let merged = merge(&place, &[run], 2, &names, &Default::default(), &stop);
    assert!(matches!(merged, Err(MergeError::Unsorted { .. })));
    assert_eq!(place.list("").unwrap(), before);
}

fn run_of(rows: u64) -> Run {
    let file = SegmentRef {
        name: String::new(),
        rows,
        bytes: 0,
        xxh3: String::new(),
    };
    Run { files: vec![file] }
}

#[test]
fn the_plan_merges_runs_of_one_size_and_bounds_their_number() {
    let check = |rows: &[u64], expected| {
        let runs: Vec<Run> = rows.iter().map(|rows| run_of(*rows)).collect();
        assert_eq!(plan(&runs), expected, "{rows:?}");
    };
    check(&[], None);
    check(&[10; 7], None);
    check(&[10; 8], Some(0..8));
    check(
        &[1_000_000, 900_000, 10, 10, 10, 10, 0, 10, 10, 10],
        Some(2..10),
    );
    check(&[1_000_000, 10, 10, 10, 10, 1_000_000, 10, 10, 10], None);
    let uneven: Vec<u64> = (0..33)
        .map(|n| if n % 4 == 0 { 1_000_000 } else { 10 })
        .collect();
    check(&uneven[..32], None);
    check(&uneven, Some(0..8));
}

#[test]
fn many_checkpoints_stay_few_runs_and_each_event_is_rewritten_a_few_times() {
    let (mut runs, mut written, mut total) = (Vec::new(), 0, 0);
    for number in 0..5000_u64 {
        let rows = 50_000 + number * 7919 % 100_000;
        total += rows;
        runs.push(run_of(rows));
        while let Some(range) = plan(&runs) {
            let rows = runs[range.clone()].iter().map(Run::rows).sum();
            written += rows;
            runs.splice(range, [run_of(rows)]);
        }
        assert!(runs.len() <= 32, "{}", runs.len());
    }
    assert!(written < 8 * total, "{} times", written / total);
}
