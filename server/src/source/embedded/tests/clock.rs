//! A clock that jumps does not poison the log: what is stored later has the time of then.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::super::super::clock::{HOLDS_MS, Reading};
use super::*;
use crate::warnings::Warnings;

const NOON_MS: i64 = 1_383_508_800_000;
const YEAR_MS: i64 = 365 * 24 * 3_600_000;

/// A wall clock and a steady one, both by hand.
#[derive(Clone, Default)]
struct Hands(Arc<[AtomicI64; 2]>);

impl Hands {
    fn pass(&self, ms: i64) {
        self.set(ms);
        self.0[1].fetch_add(ms, Ordering::Relaxed);
    }

    fn set(&self, by_ms: i64) {
        self.0[0].fetch_add(by_ms, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::new(Box::new(move || Reading {
            wall_ms: NOON_MS + hands.0[0].load(Ordering::Relaxed),
            steady_ms: hands.0[1].load(Ordering::Relaxed),
        }))
    }
}

fn open_by(disk: &Disk, hands: &Hands) -> (EmbeddedLog, Warnings) {
    let path = Path::new("a disk in memory");
    let (store, state) = Store::open_with(path, TOPIC, disk.opener(), None).unwrap();
    let log = EmbeddedLog::start(store, state, TOPIC, hands.clock()).unwrap();
    let warnings = Warnings::default();
    log.warn_by(warnings.clone());
    (log, warnings)
}

/// The times of all records, as milliseconds after noon.
fn times(log: &EmbeddedLog) -> Vec<i64> {
    let mut reader = reader(log, &from_start());
    let mut times = Vec::new();
    let mut each = |_, found: Found<'_>| {
        if let Found::Record(record) = found {
            times.push(record.log_time_ms.unwrap() - NOON_MS);
        }
    };
    while reader.poll(1000, &mut each).unwrap() > 0 {}
    times
}

fn codes(warnings: &Warnings) -> Vec<&'static str> {
    warnings.list().iter().map(|it| it.code).collect()
}

fn one() -> Vec<Message> {
    vec![message("a", "vote")]
}

#[test]
fn a_clock_that_is_a_year_ahead_for_a_moment_poisons_nothing() {
    let (disk, hands) = (Disk::with_log(), Hands::default());
    let (log, warnings) = open_by(&disk, &hands);
    append(&log, one()).unwrap();
    hands.set(YEAR_MS);
    let error = append(&log, one()).unwrap_err();
    assert!(
        matches!(error, LogError::ClockJump { by_ms: YEAR_MS }),
        "{error}"
    );
    assert!(log.now_ms().is_err(), "nothing is judged by it, either");
    assert_eq!(codes(&warnings), ["clock_jump"]);
    // Facts have no time.
    log.put_blocking("fact", b"1").unwrap();
    hands.set(-YEAR_MS);
    hands.pass(7);
    append(&log, one()).unwrap();
    assert_eq!(times(&log), [0, 7]);
    assert_eq!(codes(&warnings), [""; 0]);
}

#[test]
fn what_was_judged_at_another_time_is_not_stored_at_it() {
    let (disk, hands) = (Disk::with_log(), Hands::default());
    let (log, _) = open_by(&disk, &hands);
    let ahead = wait(log.append(one(), NOON_MS + YEAR_MS)).unwrap_err();
    assert!(matches!(ahead, LogError::ClockJump { .. }), "{ahead}");
    wait(log.append(one(), NOON_MS + 1000)).unwrap();
    assert_eq!(times(&log), [1000]);
}

#[test]
fn a_clock_that_stays_where_it_jumped_to_is_believed_after_a_minute() {
    let (disk, hands) = (Disk::with_log(), Hands::default());
    let (log, _) = open_by(&disk, &hands);
    append(&log, one()).unwrap();
    hands.set(YEAR_MS);
    append(&log, one()).unwrap_err();
    hands.pass(HOLDS_MS);
    append(&log, one()).unwrap();
    assert_eq!(times(&log), [0, YEAR_MS + HOLDS_MS]);
}

#[test]
fn a_start_after_a_year_is_no_jump_and_one_with_a_clock_behind_is() {
    let (disk, hands) = (Disk::with_log(), Hands::default());
    let (log, _) = open_by(&disk, &hands);
    append(&log, one()).unwrap();
    drop(log);
    let later = Hands::default();
    later.set(YEAR_MS);
    let (log, _) = open_by(&disk, &later);
    append(&log, one()).unwrap();
    drop(log);
    let (log, warnings) = open_by(&disk, &hands);
    append(&log, one()).unwrap_err();
    assert_eq!(codes(&warnings), ["clock_jump"]);
    hands.pass(HOLDS_MS);
    append(&log, one()).unwrap();
    // Times of the log never go back.
    assert_eq!(times(&log), [0, YEAR_MS, YEAR_MS]);
    assert_eq!(codes(&warnings), ["clock_behind"]);
}
