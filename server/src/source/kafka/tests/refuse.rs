//! Refused messages are kept once each, in order, whatever happens in between.

use super::*;
use crate::source::{Record, RefusedMessage, RefusedWriter};
use broker::Consumed;

/// When the messages came.
const TIME_MS: i64 = 1_700_000_000_000;

fn writer(log: &KafkaLog, partitions: &[u32]) -> Box<dyn RefusedWriter> {
    log.refused(partitions).unwrap().unwrap()
}

fn put(writer: &mut dyn RefusedWriter, partition: u32, offset: i64, bytes: Option<&[u8]>) {
    let message = message(partition, offset, bytes);
    eventually("taken", || match writer.put(message) {
        Ok(()) => true,
        Err(LogError::Busy) => false,
        Err(error) => panic!("{error}"),
    });
}

fn message(partition: u32, offset: i64, bytes: Option<&[u8]>) -> RefusedMessage<'_> {
    RefusedMessage {
        partition,
        record: Record {
            offset,
            log_time_ms: Some(TIME_MS),
            key: Some(b"ada"),
            bytes,
        },
        reason: "malformed_json",
        detail: "the message is not UTF-8",
    }
}

fn settle(writer: &mut dyn RefusedWriter) {
    eventually("stored", || writer.unsafe_from().unwrap().is_empty());
}

fn offsets(found: &[Consumed], partition: i32) -> Vec<i64> {
    let found = found.iter().filter(|found| found.partition == partition);
    found
        .map(|found| found.headers["source_offset"].parse().unwrap())
        .collect()
}

#[test]
fn a_refused_message_is_kept_unchanged_with_its_origin() {
    let broker = shared();
    let topic = topic(broker, 3);
    let log = connect(broker, &topic);
    let mut writer = writer(&log, &[0, 2]);
    put(writer.as_mut(), 2, 7, Some(b"\xff not json"));
    put(writer.as_mut(), 0, 1, None);
    put(writer.as_mut(), 2, 9, Some(b""));
    settle(writer.as_mut());

    let found = broker.consume_all(&format!("{topic}.refused"));
    let bodies: Vec<_> = found
        .iter()
        .map(|found| (found.partition, found.body.clone()))
        .collect();
    assert_eq!(
        bodies,
        [
            (0, None),
            (2, Some(b"\xff not json".to_vec())),
            (2, Some(Vec::new()))
        ]
    );
    let expected = [
        ("reason", "malformed_json"),
        ("detail", "the message is not UTF-8"),
        ("source_topic", &topic),
        ("source_partition", "2"),
        ("source_offset", "7"),
        ("source_topic_id", &log.topic_id().unwrap()),
    ];
    let expected = expected.map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(found[1].headers, expected.into());
    assert_eq!(found[1].key.as_deref(), Some(&b"ada"[..]));
    assert_eq!(found[1].time_ms, Some(TIME_MS));
}

#[test]
fn what_is_kept_is_not_kept_again_after_a_crash() {
    let broker = shared();
    let topic = topic(broker, 2);
    let all: Vec<i64> = (0..500).map(|number| number * 3).collect();
    for kept in [100, 350, 500, 500] {
        // Everything is read again from the start, and another process has no memory.
        let log = connect(broker, &topic);
        let mut writer = writer(&log, &[0, 1]);
        for &offset in &all[..kept] {
            put(writer.as_mut(), 0, offset, Some(b"bad"));
            put(writer.as_mut(), 1, offset, Some(b"bad"));
        }
        settle(writer.as_mut());
    }
    let found = broker.consume_all(&format!("{topic}.refused"));
    assert_eq!(offsets(&found, 0), all);
    assert_eq!(offsets(&found, 1), all);
}

#[test]
fn messages_of_others_at_the_tail_do_not_hide_what_is_kept() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    let mut first = writer(&log, &[0]);
    put(first.as_mut(), 0, 41, Some(b"bad"));
    settle(first.as_mut());
    let refused = format!("{topic}.refused");
    broker.produce(&refused, 0, &texts("of others", 0..1000));

    let mut second = writer(&connect(broker, &topic), &[0]);
    put(second.as_mut(), 0, 41, Some(b"bad"));
    put(second.as_mut(), 0, 42, Some(b"bad"));
    settle(second.as_mut());
    let found = broker.consume_all(&refused);
    let ours: Vec<_> = found
        .into_iter()
        .filter(|found| !found.headers.is_empty())
        .collect();
    assert_eq!(offsets(&ours, 0), [41, 42]);
}

#[test]
fn a_source_that_was_made_again_begins_anew() {
    let broker = shared();
    let topic = topic(broker, 1);
    let mut first = writer(&connect(broker, &topic), &[0]);
    put(first.as_mut(), 0, 5, Some(b"bad"));
    settle(first.as_mut());
    broker.delete_topic(&topic);
    broker.create_topic(&topic, 1, &[]);
    let mut second = writer(&connect(broker, &topic), &[0]);
    put(second.as_mut(), 0, 3, Some(b"bad"));
    settle(second.as_mut());
    let found = broker.consume_all(&format!("{topic}.refused"));
    assert_eq!(offsets(&found, 0), [5, 3]);
    assert_ne!(
        found[0].headers["source_topic_id"],
        found[1].headers["source_topic_id"]
    );
}

#[test]
fn one_too_large_goes_without_its_body_and_in_its_place() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    let mut writer = writer(&log, &[0]);
    // Over what the broker takes, over what the client takes, and large but taken.
    let (large, huge, fits) = (noise(2_000_000), noise(17 << 20), noise(600_000));
    let bodies: [&[u8]; 7] = [b"a", &large, b"b", &huge, b"c", &fits, b"d"];
    for (offset, body) in (0..).zip(bodies) {
        put(writer.as_mut(), 0, offset, Some(body));
    }
    settle(writer.as_mut());

    let found = broker.consume_all(&format!("{topic}.refused"));
    assert_eq!(offsets(&found, 0), [0, 1, 2, 3, 4, 5, 6]);
    for (offset, (found, body)) in found.iter().zip(bodies).enumerate() {
        let is_omitted = [1, 3].contains(&offset);
        assert_eq!(found.headers.contains_key("body_omitted"), is_omitted);
        let expected = if is_omitted { &[] } else { body };
        assert!(
            found.body.as_deref() == Some(expected),
            "the body of {offset}"
        );
    }
}

#[test]
fn a_partition_that_has_come_up_is_kept_too() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    let mut writer = writer(&log, &[0]);
    broker.create_partitions(&topic, 3);
    writer.add(2).unwrap();
    put(writer.as_mut(), 2, 4, Some(b"bad"));
    settle(writer.as_mut());
    let found = broker.consume_all(&format!("{topic}.refused"));
    assert_eq!(offsets(&found, 2), [4]);
    assert!(writer.put(message(1, 0, None)).is_err());
}
