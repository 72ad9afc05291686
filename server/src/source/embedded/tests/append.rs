//! Appending and reading: order, offsets, times, turns, waking, limits, facts, closing.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::super::batch::partition_of;
use super::super::{APPEND_BYTES_MAX, QUEUE_BYTES_MAX};
use super::*;

#[test]
fn what_was_appended_is_read_from_any_offset() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for (name, count) in [("few", 3), ("many", 20_000), ("one", 1), ("some", 500)] {
        assert_eq!(
            append(&log, messages(name, count)).unwrap().stored,
            count as u64
        );
    }
    let rows = read_all(&log);
    assert_eq!(rows.len(), 20_504);
    for extent in log.extents().unwrap() {
        let all: Vec<_> = rows
            .iter()
            .filter(|row| row.0 == extent.partition)
            .collect();
        assert_eq!(all.len() as i64, extent.next_offset);
        for offset in (0..=extent.next_offset)
            .step_by(173)
            .chain([extent.next_offset])
        {
            let mut reader = reader(&log, &[(extent.partition, offset)]);
            let rest = drain(reader.as_mut()).unwrap();
            assert!(rest.iter().eq(all[offset as usize..].iter().copied()));
        }
    }
}

#[test]
fn messages_of_one_key_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for part in 0..5 {
        append(&log, messages(&format!("{part}"), 700)).unwrap();
    }
    let mut last = HashMap::new();
    for (partition, _, text) in read_all(&log) {
        let (part, number) = text.split_once('/').unwrap();
        let number: u32 = number.parse().unwrap();
        let key = format!("voter {}", number % 97);
        assert_eq!(partition, partition_of(key.as_bytes()));
        let place = (part.parse::<u32>().unwrap(), number);
        assert!(last.insert(key, place).is_none_or(|before| before < place));
    }
    assert_eq!(last.len(), 97);
}

#[test]
fn the_partition_of_a_key_never_changes() {
    let partitions = ["", "a", "voter 1", "7f9c2ba4-e88f-4c51-b1de-000000000000"]
        .map(|key| partition_of(key.as_bytes()));
    assert_eq!(partitions, [2, 7, 1, 0]);
}

#[test]
fn concurrent_appends_are_all_there_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(open(directory.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let log = Arc::clone(&log);
            runtime.spawn(async move {
                for part in 0..40 {
                    let count = [1, 7, 400][part % 3];
                    let all = messages(&format!("{task}/{part}"), count);
                    let appended = log.append(all, i64::MIN).await.unwrap();
                    assert_eq!(appended.stored, count as u64);
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    let rows = read_all(&log);
    let mut texts = texts(&rows);
    texts.dedup();
    assert_eq!(texts.len(), rows.len());
    assert_eq!(rows.len(), 16 * (14 + 13 * 7 + 13 * 400));
}

#[test]
fn an_append_says_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, messages("before", 50)).unwrap();
    let before = log.extents().unwrap();
    let appended = append(&log, vec![message("a", "1"), message("a", "2")]).unwrap();
    let partition = partition_of(b"a");
    let next = before[partition as usize].next_offset + 2;
    assert_eq!(appended.next_offsets, [(partition, next)].into());
    assert_eq!(log.extents().unwrap()[partition as usize].next_offset, next);
    assert_eq!(append(&log, Vec::new()).unwrap(), Appended::default());
}

#[test]
fn log_times_never_decrease() {
    let directory = tempfile::tempdir().unwrap();
    let times = |log: &EmbeddedLog| {
        let mut times = Vec::new();
        let poll = reader(log, &[(partition_of(b"a"), 0)]).poll(100, &mut |_, found| {
            let Found::Record(record) = found else {
                panic!("the embedded log has no gaps to tell of")
            };
            times.push(record.log_time_ms.unwrap())
        });
        poll.unwrap();
        times
    };
    let far_ms = super::super::super::clock::wall_ms() + 50_000;
    let log = open(directory.path());
    wait(log.append(vec![message("a", "now")], 0)).unwrap();
    wait(log.append(vec![message("a", "later")], far_ms)).unwrap();
    wait(log.append(vec![message("a", "after")], 0)).unwrap();
    drop(log);
    let log = open(directory.path());
    wait(log.append(vec![message("a", "after a restart")], 0)).unwrap();
    let times = times(&log);
    assert!(times[0] > 1_700_000_000_000 && times[0] < far_ms);
    assert_eq!(times[1..], [far_ms; 3]);
}

#[test]
fn a_log_opened_again_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let log = open(directory.path());
        assert_eq!(log.topic(), TOPIC);
        assert_eq!(read_all(&log).len(), round * 300);
        append(&log, messages(&format!("{round}"), 300)).unwrap();
    }
}

#[test]
fn partitions_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, messages("all", 40_000)).unwrap();
    let mut reader = reader(&log, &from_start());
    let mut seen = Vec::new();
    for _ in 0..PARTITIONS {
        let mut last = None;
        reader
            .poll(1, &mut |partition, _| last = Some(partition))
            .unwrap();
        seen.push(last.unwrap());
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..PARTITIONS));
}

/// Once a reader looked for the end of a partition after it had taken its view of the store, and
/// missed the blocks that had been committed in between.
#[test]
fn what_is_committed_during_a_poll_is_for_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, messages("before", 100)).unwrap();
    let mut reader = reader(&log, &from_start());
    let mut late = Some(messages("during", 100));
    let count = reader.poll(1000, &mut |_, _| {
        if let Some(late) = late.take() {
            append(&log, late).unwrap();
        }
    });
    assert_eq!(count.unwrap(), 100);
    assert_eq!(drain(reader.as_mut()).unwrap().len(), 100);
}

#[test]
fn a_reader_that_follows_misses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(open(directory.path()));
    let appenders: Vec<_> = (0..4)
        .map(|task| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for part in 0..100 {
                    append(&log, messages(&format!("{task}/{part}"), 50)).unwrap();
                }
            })
        })
        .collect();
    let mut reader = reader(&log, &from_start());
    let mut rows = Vec::new();
    while !appenders.iter().all(|appender| appender.is_finished()) {
        rows.extend(drain(reader.as_mut()).unwrap());
    }
    for appender in appenders {
        appender.join().unwrap();
    }
    rows.extend(drain(reader.as_mut()).unwrap());
    assert_eq!(rows.len(), 4 * 100 * 50);
    rows.sort_by_key(|(partition, offset, _)| (*partition, *offset));
    assert_eq!(rows, read_all(&log));
}

#[test]
fn a_waiting_reader_is_woken_after_it_can_read() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let woken = Arc::new((Mutex::new(0), Condvar::new()));
    let theirs = Arc::clone(&woken);
    let wake = move || {
        *theirs.0.lock().unwrap() += 1;
        theirs.1.notify_all();
    };
    let mut reader = log
        .reader(&[(partition_of(b"a"), 0)], Box::new(wake))
        .unwrap();
    for round in 1..=20 {
        assert_eq!(drain(reader.as_mut()).unwrap().len(), 0);
        let sent = log.append(vec![message("a", "vote")], 0);
        let (counted, changed) = &*woken;
        let appender = std::thread::spawn(move || wait(sent).unwrap());
        let deadline = Duration::from_secs(10);
        let (count, timeout) = changed
            .wait_timeout_while(counted.lock().unwrap(), deadline, |count| *count < round)
            .unwrap();
        assert!(!timeout.timed_out(), "no wake for append {round}");
        drop(count);
        assert_eq!(drain(reader.as_mut()).unwrap().len(), 1);
        appender.join().unwrap();
    }
}

#[test]
fn facts_are_kept_and_come_with_their_messages() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    assert_eq!(log.get("ceiling").unwrap(), None);
    log.put_blocking("ceiling", b"12").unwrap();
    log.put_blocking("ceiling", b"13").unwrap();
    wait(log.append_with_fact(messages("demo", 10), 0, "progress", b"10")).unwrap();
    drop(log);
    let log = open(directory.path());
    assert_eq!(
        log.get("ceiling").unwrap().as_deref(),
        Some(b"13".as_slice())
    );
    assert_eq!(
        log.get("progress").unwrap().as_deref(),
        Some(b"10".as_slice())
    );
    assert_eq!(read_all(&log).len(), 10);
}

#[test]
fn what_is_too_much_is_refused_and_frees_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let large = message("a", vec![b'x'; APPEND_BYTES_MAX]);
    let refused = append(&log, vec![large]).unwrap_err();
    assert!(matches!(refused, LogError::TooLarge { .. }), "{refused}");
    log.shared
        .queued_bytes
        .fetch_add(QUEUE_BYTES_MAX, Ordering::Relaxed);
    let refused = append(&log, messages("busy", 1)).unwrap_err();
    assert!(matches!(refused, LogError::Busy), "{refused}");
    log.put_blocking("a fact", b"still works").unwrap();
    log.shared
        .queued_bytes
        .fetch_sub(QUEUE_BYTES_MAX, Ordering::Relaxed);
    append(&log, messages("free", 1)).unwrap();
    assert_eq!(log.shared.queued_bytes.load(Ordering::Relaxed), 0);
    assert_eq!(log.shared.queued_appends.load(Ordering::Relaxed), 0);
    assert_eq!(texts(&read_all(&log)), ["free/0"]);
}

#[test]
fn large_messages_come_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut numbers = Numbers(7);
    let mut sent: Vec<String> = [0, 1, 65_536, 262_144, 3_000_000]
        .map(|size| {
            (0..size)
                .map(|_| char::from(b'a' + numbers.below(26) as u8))
                .collect()
        })
        .into();
    let all = sent.iter().map(|text| message("a", text.clone())).collect();
    append(&log, all).unwrap();
    sent.sort_unstable();
    assert_eq!(texts(&read_all(&log)), sent);
}

#[test]
fn a_directory_belongs_to_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let refused = EmbeddedLog::open(directory.path(), TOPIC).err().unwrap();
    assert!(matches!(refused, LogError::InUse { .. }), "{refused}");
    drop(log);
    open(directory.path());
}

#[test]
fn a_closed_log_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, messages("before", 10)).unwrap();
    let mut reader = reader(&log, &from_start());
    log.close().unwrap();
    log.close().unwrap();
    assert!(matches!(
        append(&log, messages("after", 1)),
        Err(LogError::Closed)
    ));
    assert!(matches!(log.put_blocking("a", b"b"), Err(LogError::Closed)));
    assert!(matches!(log.get("a"), Err(LogError::Closed)));
    assert!(matches!(drain(reader.as_mut()), Err(LogError::Closed)));
    assert_eq!(read_all(&open(directory.path())).len(), 10);
}

#[test]
fn a_log_of_another_topic_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let refused = EmbeddedLog::open(directory.path(), "polls").err().unwrap();
    assert!(
        refused.to_string().contains("start with --topic votes"),
        "{refused}"
    );
}

#[test]
fn a_reader_outside_of_the_log_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, messages("some", 100)).unwrap();
    let end = log.extents().unwrap()[3].next_offset;
    for offset in [-1, end + 1] {
        let refused = log.reader(&[(3, offset)], Box::new(|| {})).err().unwrap();
        assert!(matches!(refused, LogError::OutOfRange { .. }), "{refused}");
    }
    let refused = log.reader(&[(8, 0)], Box::new(|| {})).err().unwrap();
    assert!(matches!(refused, LogError::NoPartition { .. }), "{refused}");
}
