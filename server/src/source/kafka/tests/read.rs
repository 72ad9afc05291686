//! What is written is read: all of it, in order, nothing else, from where one asks.

use super::*;
use crate::source::kafka::now_ms;

#[test]
fn what_was_written_is_read_in_order_with_offsets_and_times() {
    let broker = shared();
    let topic = topic(broker, 3);
    let before = now_ms();
    for partition in 0..3 {
        broker.produce(&topic, partition, &texts(&format!("p{partition}"), 0..5000));
    }
    let log = connect(broker, &topic);
    let extents = log.extents().unwrap();
    let ends: Vec<_> = extents
        .iter()
        .map(|extent| (extent.first_offset, extent.next_offset))
        .collect();
    assert_eq!(ends, [(0, 5000); 3]);
    assert_eq!(log.last_extents(), extents);

    let mut following = Following::new(&log, &[(0, 0), (1, 0), (2, 0)]);
    following.until(|found| found.ends.len() == 3).unwrap();

    assert_eq!(
        following.ends,
        BTreeMap::from([(0, 5000), (1, 5000), (2, 5000)])
    );
    for partition in 0..3 {
        let expected: Vec<_> = (0..)
            .zip(texts(&format!("p{partition}"), 0..5000))
            .collect();
        assert_eq!(following.of(partition), expected);
    }
    let in_time = |time: &Option<i64>| time.is_some_and(|time| (before..=now_ms()).contains(&time));
    assert!(following.times.iter().all(in_time));
}

#[test]
fn a_poll_gives_no_more_than_asked_for_and_loses_nothing() {
    let broker = shared();
    let topic = topic(broker, 2);
    broker.produce(&topic, 0, &texts("a", 0..700));
    broker.produce(&topic, 1, &texts("b", 0..700));
    let log = connect(broker, &topic);
    let mut following = Following::new(&log, &[(0, 0), (1, 0)]);
    eventually("all read by sevens", || {
        assert!(following.poll(7).unwrap() <= 7);
        following.rows.len() == 1400
    });
    for (partition, name) in [(0, "a"), (1, "b")] {
        let expected: Vec<_> = (0..).zip(texts(name, 0..700)).collect();
        assert_eq!(following.of(partition), expected);
    }
}

#[test]
fn a_panic_while_reading_gives_back_every_message() {
    let broker = shared();
    let topic = topic(broker, 1);
    broker.produce(&topic, 0, &texts("a", 0..100));
    let log = connect(broker, &topic);
    let mut reader = log.reader(&[(0, 0)], Box::new(|| {})).unwrap();
    let mut seen = 0;
    eventually("something read", || {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            reader.poll(1000, &mut |_, found| {
                if let Found::Record(_) = found {
                    seen += 1;
                    assert!(seen < 10, "on purpose");
                }
            })
        }));
        polled.is_err()
    });
    // A message that is not given back keeps the consumer from ending.
    drop(reader);
    assert_eq!(seen, 10);
}

#[test]
fn aborted_transactions_are_not_seen_and_a_marker_at_the_end_is_passed() {
    let broker = shared();
    let topic = topic(broker, 1);
    broker.produce(&topic, 0, &texts("plain", 0..3));
    broker.transact(&topic, 0, &texts("committed", 0..2), true);
    broker.transact(&topic, 0, &texts("aborted", 0..4), false);
    let log = connect(broker, &topic);
    // Three, two and a marker, four and a marker.
    assert_eq!(log.extents().unwrap()[0].next_offset, 11);

    let mut following = Following::new(&log, &[(0, 0)]);
    following
        .until(|found| found.ends.get(&0) == Some(&11))
        .unwrap();

    let mut expected: Vec<_> = (0..3).zip(texts("plain", 0..3)).collect();
    expected.extend((3..5).zip(texts("committed", 0..2)));
    assert_eq!(following.of(0), expected);

    // And from the end, where there is only the marker before.
    let mut following = Following::new(&log, &[(0, 11)]);
    following
        .until(|found| found.ends.get(&0) == Some(&11))
        .unwrap();
    assert_eq!(following.rows, []);
}

#[test]
fn a_message_without_a_body_is_told_from_an_empty_one() {
    let broker = shared();
    let topic = topic(broker, 1);
    let bodies = [Some(""), None, Some("x")];
    broker.produce(&topic, 0, &bodies);
    let log = connect(broker, &topic);
    let mut following = Following::new(&log, &[(0, 0)]);
    following.until(|found| found.rows.len() == 3).unwrap();
    let expected: Vec<_> = (0..)
        .zip(bodies.map(|body| body.map(str::to_string)))
        .collect();
    assert_eq!(following.of(0), expected);
}

#[test]
fn reading_begins_at_the_offset_asked_for() {
    let broker = shared();
    let topic = topic(broker, 1);
    broker.produce(&topic, 0, &texts("a", 0..100));
    let log = connect(broker, &topic);
    let mut following = Following::new(&log, &[(0, 42)]);
    following
        .until(|found| found.ends.contains_key(&0))
        .unwrap();
    let expected: Vec<_> = (42..).zip(texts("a", 42..100)).collect();
    assert_eq!(following.of(0), expected);
}

#[test]
fn an_offset_beyond_the_end_is_an_error() {
    let broker = shared();
    let topic = topic(broker, 1);
    broker.produce(&topic, 0, &texts("a", 0..10));
    let log = connect(broker, &topic);
    let mut following = Following::new(&log, &[(0, 1000)]);
    let error = following.until_error();
    assert!(
        matches!(
            error,
            LogError::KafkaOutOfRange {
                offset: 1000,
                first_offset: 0,
                next_offset: 10,
                ..
            }
        ),
        "{error}"
    );
    // It says so again, whoever asks.
    assert!(following.poll(10).is_err());
    assert!(!error.is_transient());
}

#[test]
fn what_was_deleted_before_it_was_read_is_an_error() {
    let broker = shared();
    let topic = topic(broker, 1);
    broker.produce(&topic, 0, &texts("a", 0..10));
    broker.delete_records(&topic, 0, 6);
    let log = connect(broker, &topic);
    let refused = Following::try_new(&log, &[(0, 0)]).err().unwrap();
    assert!(
        matches!(
            refused,
            LogError::KafkaTruncated {
                first_offset: 6,
                ..
            }
        ),
        "{refused}"
    );
    let refused = Following::try_new(&log, &[(0, 3)]).err().unwrap();
    assert!(
        matches!(refused, LogError::KafkaOutOfRange { offset: 3, .. }),
        "{refused}"
    );

    let mut settings = KafkaSettings::new(broker.address(), &topic);
    settings.accept_truncated = true;
    let log = KafkaLog::connect(settings).unwrap();
    let mut following = Following::new(&log, &[(0, 0)]);
    following
        .until(|found| found.ends.contains_key(&0))
        .unwrap();
    let expected: Vec<_> = (6..).zip(texts("a", 6..10)).collect();
    assert_eq!(following.of(0), expected);
    // To what was counted and is gone, it does not apply.
    assert!(Following::try_new(&log, &[(0, 3)]).is_err());
}

#[test]
fn a_message_of_a_topic_without_times_has_that_of_its_writer() {
    let broker = shared();
    let name = new_name();
    broker.create_topic(&name, 1, &[("message.timestamp.type", "CreateTime")]);
    broker.produce(&name, 0, &texts("a", 0..1));
    let log = connect(broker, &name);
    let mut following = Following::new(&log, &[(0, 0)]);
    following.until(|found| found.rows.len() == 1).unwrap();
    assert!(following.times[0].is_some());
}
