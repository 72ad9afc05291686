//! How fast segments are, printed. The bounds are far below what any machine does, so that only
//! something quadratic, or a copy a row that should not be, fails here.

use std::fs;
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

/// What this thread has had of a processor, where the system says so, else the time: other tests
/// run beside this one.
fn processor_time(since: Instant) -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ran_ns = stat.split(' ').next().and_then(|text| text.parse().ok());
    ran_ns.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

#[test]
fn figures_of_segments() {
    let temp = tempfile::tempdir().unwrap();
    let (place, names) = (place_in(&temp), FileNames::new(0));
    let mut directory = Directory::default();
    let rows = plain_casts(0..ROWS, &mut directory);
    let since = Instant::now();
    let show = |what: &str, started: Duration| {
        let taken = processor_time(since).saturating_sub(started);
        let each_ns = taken.as_nanos() / u128::from(ROWS);
        println!("{what}: {each_ns} ns a row");
        assert!(taken < ROW_MAX * ROWS as u32, "{what}: {each_ns} ns a row");
    };
    let started = processor_time(since);
    let written = write(rows.clone(), directory.numbering(), 1).unwrap();
    show("write", started);
    println!(
        "size: {:.1} bytes a row",
        written.bytes.len() as f64 / ROWS as f64
    );

    let started = processor_time(since);
    assert_eq!(read_all(&written, &directory).len() as u64, ROWS);
    show("read", started);

    let each = rows.len() / 8;
    let runs: Vec<_> = (1..)
        .zip(rows.chunks(each))
        .map(|(number, rows)| put_files(&place, &names, rows.to_vec(), &directory, number))
        .collect();
    let started = processor_time(since);
    let stop = AtomicBool::new(false);
    let merged = merge(&place, &runs, 9, &names, &Default::default(), &stop);
    show("merge of 8", started);
    assert_eq!(merged.unwrap().unwrap().rows(), ROWS);
}
