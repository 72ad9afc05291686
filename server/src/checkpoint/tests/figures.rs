//! How fast segments are, printed. The bounds are far below what any machine does, so that only
//! something quadratic, or a copy a row that should not be, fails here.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::events::{Directory, plain_casts};
use super::merging::{place_in, put_files};
use super::segments::read_all;
use crate::checkpoint::merge::merge;
use crate::checkpoint::name::FileNames;
use crate::checkpoint::segment::write;

const ROWS: u64 = 400_000;

/// What a row may cost, in a build without optimisation of ours.
const ROW_MAX: Duration = Duration::from_micros(20);

#[test]
fn figures_of_segments() {
    let temp = tempfile::tempdir().unwrap();
    let (place, names) = (place_in(&temp), FileNames::new(0));
    let mut directory = Directory::default();
    let rows = plain_casts(0..ROWS, &mut directory);
    let show = |what: &str, started: Instant| {
        let taken = started.elapsed();
        let each_ns = taken.as_nanos() / u128::from(ROWS);
        println!("{what}: {each_ns} ns a row");
        assert!(taken < ROW_MAX * ROWS as u32, "{what}: {each_ns} ns a row");
    };
    let started = Instant::now();
    let written = write(rows.clone(), directory.numbering(), 1).unwrap();
    show("write", started);
    println!(
        "size: {:.1} bytes a row",
        written.bytes.len() as f64 / ROWS as f64
    );

    let started = Instant::now();
    assert_eq!(read_all(&written, &directory).len() as u64, ROWS);
    show("read", started);

    let each = rows.len() / 8;
    let runs: Vec<_> = (1..)
        .zip(rows.chunks(each))
        .map(|(number, rows)| put_files(&place, &names, rows.to_vec(), &directory, number))
        .collect();
    let started = Instant::now();
    let stop = AtomicBool::new(false);
    let merged = merge(&place, &runs, 9, &names, &Default::default(), &stop);
    show("merge of 8", started);
    assert_eq!(merged.unwrap().unwrap().rows(), ROWS);
}
