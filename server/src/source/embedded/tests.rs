//! Tests of the embedded log as its users see it, and of what a crash, a full disk or a damaged
//! file does to it.

use std::future::Future;
use std::path::Path;

use bytes::Bytes;

use super::super::clock::Clock;
use super::super::{Appended, Found, Log, LogError, Message, Reader, Writer};
use super::store::Store;
use super::{EmbeddedLog, PARTITIONS};
use disk::Disk;

mod append;
mod clock;
mod crash;
mod damage;
mod disk;
mod full;

const TOPIC: &str = "votes";

/// One record as a test compares it: partition, offset, text.
type Row = (u32, i64, String);

fn open(directory: &Path) -> EmbeddedLog {
    EmbeddedLog::open(directory, TOPIC).unwrap()
}

fn open_on(disk: &Disk) -> Result<EmbeddedLog, LogError> {
    let (store, state) =
        Store::open_with(Path::new("a disk in memory"), TOPIC, disk.opener(), None)?;
    EmbeddedLog::start(store, state, TOPIC, Clock::system())
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn message(key: impl Into<Bytes>, text: impl Into<Bytes>) -> Message {
    Message {
        key: key.into(),
        bytes: text.into(),
    }
}

/// So many messages of so many keys, told apart by `name` and number.
fn messages(name: &str, count: usize) -> Vec<Message> {
    (0..count)
        .map(|number| message(format!("voter {}", number % 97), format!("{name}/{number}")))
        .collect()
}

fn append(log: &EmbeddedLog, messages: Vec<Message>) -> Result<Appended, LogError> {
    wait(log.append(messages, i64::MIN))
}

fn from_start() -> Vec<(u32, i64)> {
    (0..PARTITIONS).map(|partition| (partition, 0)).collect()
}

fn reader(log: &EmbeddedLog, from: &[(u32, i64)]) -> Box<dyn Reader> {
    log.reader(from, Box::new(|| {})).unwrap()
}

/// Polls until there is nothing more, or an error.
fn drain(reader: &mut dyn Reader) -> Result<Vec<Row>, LogError> {
    let mut rows = Vec::new();
    loop {
        let before = rows.len();
        let count = reader.poll(1000, &mut |partition, found| {
            let Found::Record(record) = found else {
                panic!("the embedded log has no gaps to tell of")
            };
            let text = String::from_utf8(record.bytes.unwrap().to_vec()).unwrap();
            rows.push((partition, record.offset, text));
        })?;
        assert_eq!(count, rows.len() - before);
        if count == 0 {
            return Ok(rows);
        }
    }
}

fn read_all(log: &EmbeddedLog) -> Vec<Row> {
    let mut rows = drain(reader(log, &from_start()).as_mut()).unwrap();
    rows.sort_by_key(|(partition, offset, _)| (*partition, *offset));
    for partition in 0..PARTITIONS {
        let offsets = rows.iter().filter(|row| row.0 == partition);
        assert!((0..).zip(offsets).all(|(expected, row)| row.1 == expected));
    }
    rows
}

fn texts(rows: &[Row]) -> Vec<&str> {
    let mut texts: Vec<_> = rows.iter().map(|row| row.2.as_str()).collect();
    texts.sort_unstable();
    texts
}

/// Numbers that only look random: xorshift64 (Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
