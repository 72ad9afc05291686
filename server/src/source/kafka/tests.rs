//! Tests of the Kafka log against a real broker, as its users see it.
//!
//! Most share one broker, each with topics of its own; those that stop a broker start another.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Found, Log, LogError, Message, Reader};
use super::{KafkaLog, KafkaSettings};
use broker::Broker;

use crate::broker;
mod change;
mod options;
mod read;
mod refuse;
mod settings;
mod wake;
mod write;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One record as a test compares it: partition, offset, text; no text for no body.
type Row = (u32, i64, Option<String>);

fn shared() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(Broker::start)
}

/// A topic of this test's own.
fn topic(broker: &Broker, partitions: i32) -> String {
    let name = new_name();
    broker.create_topic(
        &name,
        partitions,
        &[("message.timestamp.type", "LogAppendTime")],
    );
    name
}

fn new_name() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("votes-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn connect(broker: &Broker, topic: &str) -> KafkaLog {
    KafkaLog::connect(KafkaSettings::new(broker.address(), topic)).unwrap()
}

fn texts(name: &str, numbers: std::ops::Range<usize>) -> Vec<Option<String>> {
    numbers
        .map(|number| Some(format!("{name}/{number}")))
        .collect()
}

/// A reader that wakes this thread, and what it found.
struct Following {
    reader: Box<dyn Reader>,
    rows: Vec<Row>,
    times: Vec<Option<i64>>,
    ends: BTreeMap<u32, i64>,
}

impl Following {
    fn new(log: &KafkaLog, from: &[(u32, i64)]) -> Following {
        Following::try_new(log, from).unwrap()
    }

    fn try_new(log: &KafkaLog, from: &[(u32, i64)]) -> Result<Following, LogError> {
        let waiting = thread::current();
        Ok(Following {
            reader: log.reader(from, Box::new(move || waiting.unpark()))?,
            rows: Vec::new(),
            times: Vec::new(),
            ends: BTreeMap::new(),
        })
    }

    /// Polls once.
    fn poll(&mut self, records_max: usize) -> Result<usize, LogError> {
        let before = self.rows.len();
        let (rows, times, ends) = (&mut self.rows, &mut self.times, &mut self.ends);
        let count = self
            .reader
            .poll(records_max, &mut |partition, found| match found {
                Found::Record(record) => {
                    let text = record
                        .bytes
                        .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
                    rows.push((partition, record.offset, text));
                    times.push(record.log_time_ms);
                }
                Found::End { next_offset } => {
                    ends.insert(partition, next_offset);
                }
            })?;
        assert_eq!(count, self.rows.len() - before);
        Ok(count)
    }

    /// Polls until zero, waits to be woken, and so on, until what was found will do.
    fn until(&mut self, is_enough: impl Fn(&Following) -> bool) -> Result<(), LogError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while self.poll(1000)? > 0 {}
            if is_enough(self) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ends = &self.ends;
            assert!(!left.is_zero(), "{} rows, ends {ends:?}", self.rows.len());
            thread::park_timeout(left);
        }
    }

    /// Follows until reading ends with an error.
    fn until_error(&mut self) -> LogError {
        self.until(|_| false).unwrap_err()
    }

    fn of(&self, partition: u32) -> Vec<(i64, Option<String>)> {
        let rows = self.rows.iter().filter(|row| row.0 == partition);
        rows.map(|row| (row.1, row.2.clone())).collect()
    }
}

/// Waits until something is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never so: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn message(key: &str, bytes: impl Into<bytes::Bytes>) -> Message {
    Message {
        key: key.to_string().into(),
        bytes: bytes.into(),
    }
}

/// Bytes that LZ4 cannot shorten: xorshift64 (Marsaglia 2003).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
