//! A reader that waits is woken.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use rdkafka::producer::{BaseProducer, BaseRecord};

use super::*;

/// How many messages, each sent after the one before was read and the reader had gone to wait.
const MESSAGES: i64 = 3000;

#[test]
fn no_wake_up_is_missed() {
    let broker = shared();
    let topic = topic(broker, 1);
    let log = connect(broker, &topic);
    let read = Arc::new(AtomicI64::new(0));
    let seen = Arc::clone(&read);
    let producer: BaseProducer = broker.config().set("linger.ms", "0").create().unwrap();
    let to = topic.clone();
    let sender = thread::spawn(move || {
        for number in 0..MESSAGES {
            let record: BaseRecord<'_, (), str> = BaseRecord::to(&to).partition(0).payload("x");
            producer.send(record).map_err(|(error, _)| error).unwrap();
            let deadline = Instant::now() + PATIENCE;
            while seen.load(Ordering::Acquire) <= number {
                assert!(Instant::now() < deadline, "message {number} was not read");
                producer.poll(Duration::from_micros(200));
            }
        }
    });
    let mut following = Following::new(&log, &[(0, 0)]);
    following
        .until(|found| {
            read.store(found.rows.len() as i64, Ordering::Release);
            found.rows.len() as i64 == MESSAGES
        })
        .unwrap();
    sender.join().unwrap();
}

#[test]
fn a_reader_without_a_partition_reads_the_one_that_it_is_given_later() {
    let broker = shared();
    let topic = topic(broker, 2);
    let log = connect(broker, &topic);
    log.extents().unwrap();
    let mut following = Following::new(&log, &[]);
    assert_eq!(following.poll(10).unwrap(), 0);
    broker.produce(&topic, 1, &[Some("late")]);
    following.reader.add(1, 0).unwrap();
    following.until(|it| !it.of(1).is_empty()).unwrap();
    assert_eq!(following.of(1), [(0, Some("late".to_string()))]);
}
