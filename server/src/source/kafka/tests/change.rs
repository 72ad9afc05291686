//! Topics and brokers that change while they are read.

use super::*;

#[test]
fn a_topic_that_is_not_there_is_an_error_or_is_made() {
    let broker = shared();
    let name = new_name();
    let error = connect(broker, &name).extents().unwrap_err();
    assert!(matches!(error, LogError::KafkaNoTopic { .. }), "{error}");

    let mut settings = KafkaSettings::new(broker.address(), &name);
    settings.create_topic = true;
    settings.partitions_new = 5;
    let log = KafkaLog::connect(settings).unwrap();
    assert_eq!(log.extents().unwrap().len(), 5);
    assert_eq!(log.topic_id().unwrap().len(), 22);
    assert_eq!(connect(broker, &name).extents().unwrap().len(), 5);
    let set = broker.topic_settings(&name);
    assert_eq!(set["message.timestamp.type"], "LogAppendTime");
    assert_eq!(set["retention.ms"], "-1");
}

#[test]
fn a_topic_made_again_ends_the_reading() {
    let broker = shared();
    let topic = topic(broker, 1);
    broker.produce(&topic, 0, &texts("old", 0..10));
    let log = connect(broker, &topic);
    let id = log.topic_id().unwrap();
    let mut following = Following::new(&log, &[(0, 0)]);
    following.until(|found| found.rows.len() == 10).unwrap();

    broker.delete_topic(&topic);
    broker.create_topic(&topic, 1, &[]);
    let error = following.until_error();

    let LogError::KafkaReplaced { counted, found, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*counted, id);
    assert_ne!(*found, id);
    assert!(error.to_string().contains("--recount"));
    assert_eq!(connect(broker, &topic).topic_id().unwrap(), *found);
    assert!(log.health().error.is_some());
    // Whoever begins to read now is told the same.
    assert!(Following::new(&log, &[]).poll(1).is_err());
}

#[test]
fn a_topic_that_is_gone_for_good_ends_the_reading() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    log.topic_id().unwrap();
    let mut following = Following::new(&log, &[(0, 0)]);
    broker.delete_topic(&topic);
    let error = following.until_error();
    assert!(matches!(error, LogError::KafkaGone { .. }), "{error}");
}

#[test]
fn partitions_that_come_up_are_found_and_read() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    let mut following = Following::new(&log, &[(0, 0)]);
    let early = following.reader.add(2, 0).unwrap_err();
    assert!(
        matches!(early, LogError::NoPartition { partition: 2, .. }),
        "{early}"
    );
    broker.create_partitions(&topic, 3);
    // The reader is woken by them.
    following.until(|_| log.last_extents().len() == 3).unwrap();
    broker.produce(&topic, 2, &texts("new", 0..5));
    following.reader.add(2, 0).unwrap();
    broker.produce(&topic, 0, &texts("old", 0..5));
    following.until(|found| found.rows.len() == 10).unwrap();
    assert_eq!(
        following.of(2),
        (0..).zip(texts("new", 0..5)).collect::<Vec<_>>()
    );
    assert_eq!(
        following.of(0),
        (0..).zip(texts("old", 0..5)).collect::<Vec<_>>()
    );
}

#[test]
fn a_reader_of_no_partitions_reads_those_that_are_added() {
    let broker = shared();
    let topic = topic(broker, 2);
    broker.produce(&topic, 1, &texts("a", 0..5));
    let log = connect(broker, &topic);
    let mut following = Following::new(&log, &[]);
    assert_eq!(following.poll(10).unwrap(), 0);
    following.reader.add(1, 2).unwrap();
    following.until(|found| found.rows.len() == 3).unwrap();
    assert_eq!(
        following.of(1),
        (2..).zip(texts("a", 2..5)).collect::<Vec<_>>()
    );
}

#[test]
fn a_broker_that_comes_back_loses_nothing() {
    let mut broker = Broker::start();
    let topic = topic(&broker, 2);
    broker.produce(&topic, 0, &texts("before", 0..100));
    let log = connect(&broker, &topic);
    let mut following = Following::new(&log, &[(0, 0), (1, 0)]);
    following.until(|found| found.rows.len() == 100).unwrap();
    eventually("healthy", || log.health().error.is_none());

    broker.kill();
    eventually("health says it", || log.health().error.is_some());
    // No error of reading: whoever polls now finds nothing.
    assert_eq!(following.poll(10).unwrap(), 0);
    assert!(log.extents().unwrap_err().is_transient());
    broker.start_again();
    broker.produce(&topic, 1, &texts("after", 0..100));
    following.until(|found| found.rows.len() == 200).unwrap();
    assert_eq!(
        following.of(1),
        (0..).zip(texts("after", 0..100)).collect::<Vec<_>>()
    );
    eventually("healthy again", || log.health().error.is_none());

    broker.restart();
    broker.produce(&topic, 0, &texts("again", 0..10));
    following.until(|found| found.rows.len() == 210).unwrap();
    let expected = texts("before", 0..100)
        .into_iter()
        .chain(texts("again", 0..10));
    assert_eq!(following.of(0), (0..).zip(expected).collect::<Vec<_>>());
}
