//! What is appended is stored, and the answer says where.

use super::*;
use crate::source::Writer;

fn append(log: &KafkaLog, messages: Vec<Message>) -> Result<crate::source::Appended, LogError> {
    wait(log.append(messages, i64::MIN))
}

#[test]
fn the_answer_has_the_offsets_after_the_messages() {
    let broker = shared();
    let topic = topic(broker, 4);
    let log = connect(broker, &topic);
    let messages = |name: &str| -> Vec<_> {
        (0..3000)
            .map(|number| {
                message(
                    &format!("voter {}", number % 50),
                    format!("{name}/{number}"),
                )
            })
            .collect()
    };
    let first = append(&log, messages("a")).unwrap();
    assert_eq!(first.stored, 3000);
    assert_eq!(first.next_offsets.values().sum::<i64>(), 3000);
    let second = append(&log, messages("b")).unwrap();
    assert_eq!(second.next_offsets.values().sum::<i64>(), 6000);
    let extents = log.extents().unwrap();
    for (&partition, &next_offset) in &second.next_offsets {
        assert_eq!(extents[partition as usize].next_offset, next_offset);
    }
    // The messages of a key are in one partition, in the order of the appends.
    let all = broker.consume_all(&topic);
    for voter in 0..50 {
        let key = format!("voter {voter}").into_bytes();
        let of_voter: Vec<_> = all
            .iter()
            .filter(|found| found.key.as_ref() == Some(&key))
            .collect();
        assert!(
            of_voter
                .iter()
                .all(|found| found.partition == of_voter[0].partition)
        );
        let bodies = of_voter.iter().map(|found| found.body.clone().unwrap());
        let numbers = || (0..3000).filter(|number| number % 50 == voter);
        let expected = ["a", "b"]
            .into_iter()
            .flat_map(|name| numbers().map(move |number| format!("{name}/{number}").into_bytes()));
        assert!(bodies.eq(expected));
    }
}

#[test]
fn keys_go_where_the_java_client_puts_them() {
    let broker = shared();
    let topic = topic(broker, 10);
    let log = connect(broker, &topic);
    // The hashes that Kafka's own UtilsTest expects of its murmur2, without the sign, modulo 10.
    for (key, partition) in [("21", 0), ("foobar", 6), ("a-little-bit-long-string", 2)] {
        let appended = append(&log, vec![message(key, "x")]).unwrap();
        let got: Vec<_> = appended.next_offsets.keys().copied().collect();
        assert_eq!(got, [partition], "{key}");
    }
}

#[test]
fn the_time_of_a_message_is_not_before_what_is_asked() {
    let broker = shared();
    let name = new_name();
    broker.create_topic(&name, 1, &[("message.timestamp.type", "CreateTime")]);
    let log = connect(broker, &name);
    let later = crate::source::kafka::now_ms() + 60_000;
    wait(log.append(vec![message("a", "1")], later)).unwrap();
    wait(log.append(vec![message("a", "2")], i64::MIN)).unwrap();
    let times: Vec<_> = broker
        .consume_all(&name)
        .iter()
        .map(|found| found.time_ms)
        .collect();
    assert_eq!(times, [Some(later), Some(later)]);
}

#[test]
fn nothing_to_append_is_nothing() {
    let log = KafkaLog::connect(KafkaSettings::new("127.0.0.1:1", "votes")).unwrap();
    assert_eq!(
        append(&log, Vec::new()).unwrap(),
        crate::source::Appended::default()
    );
}

#[test]
fn a_message_that_is_too_large_is_an_error_and_its_neighbours_are_stored() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    let large = noise(3 * 1024 * 1024);
    let messages = vec![
        message("a", "before"),
        message("a", large),
        message("a", "after"),
    ];
    let error = append(&log, messages).unwrap_err();
    assert!(matches!(error, LogError::KafkaTooLarge { .. }), "{error}");
    let bodies: Vec<_> = broker
        .consume_all(&topic)
        .into_iter()
        .map(|found| found.body.unwrap())
        .collect();
    assert_eq!(bodies, [b"before".to_vec(), b"after".to_vec()]);
    assert_eq!(
        append(&log, vec![message("a", "more")])
            .unwrap()
            .next_offsets[&0],
        3
    );
}

#[test]
fn too_much_at_once_is_refused_before_anything_is_stored() {
    let log = KafkaLog::connect(KafkaSettings::new("127.0.0.1:1", "votes")).unwrap();
    let large = message("a", vec![b'x'; 9 * 1024 * 1024]);
    let error = append(&log, vec![large.clone(); 4]).unwrap_err();
    assert!(matches!(error, LogError::TooLarge { .. }), "{error}");

    // With the brokers away, what is let in waits, and the rest is told so at once.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut waiting = Vec::new();
        let refused = loop {
            let mut append = tokio::spawn(log.append(vec![large.clone(); 3], i64::MIN));
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            if append.is_finished() {
                break (&mut append).await.unwrap().unwrap_err();
            }
            waiting.push(append);
            assert!(waiting.len() < 10);
        };
        assert!(matches!(refused, LogError::Busy), "{refused}");
        assert_eq!(waiting.len(), 2);
    });
}

#[test]
fn brokers_that_are_away_are_an_error_after_a_while() {
    let log = KafkaLog::connect(KafkaSettings::new("127.0.0.1:1", "votes")).unwrap();
    let began = Instant::now();
    let error = append(&log, vec![message("a", "1")]).unwrap_err();
    assert!(matches!(error, LogError::KafkaNotStored { .. }), "{error}");
    assert!(error.is_transient());
    assert!(began.elapsed() < Duration::from_secs(30));
}
