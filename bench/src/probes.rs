//! Single votes sent at fixed times, and the frames in which they are seen.
//!
//! The times are set beforehand and a vote's delay is counted from its time, not from when it
//! could be sent: a service that stalls is charged for all that had to wait meanwhile, which
//! Tene calls avoiding coordinated omission. A probe is found again by its offset: it is seen in
//! the first frame whose offsets are beyond it, and the probes' candidate must have all of them
//! in the end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde::Deserialize;

/// Whom probes vote for.
pub const CANDIDATE: &str = "probe";

/// How long the last acknowledgements may take.
const FLUSH_MAX: Duration = Duration::from_secs(60);

/// Where each probe was stored.
#[derive(Default)]
struct Stored(Mutex<Vec<Option<(i32, i64)>>>);

impl ClientContext for Stored {}

impl ProducerContext for Stored {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, report: &DeliveryResult<'_>, probe: Box<usize>) {
        if let Ok(message) = report {
            self.lock()[*probe] = Some((message.partition(), message.offset()));
        }
    }
}

impl Stored {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<(i32, i64)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Probes as they were sent.
pub struct Sent {
    /// When each was due.
    due_at: Vec<Instant>,
    stored: Vec<Option<(i32, i64)>>,
}

/// Sends so many, one at each interval. `run` makes their voters others than those of other runs.
pub fn send(
    bootstrap: &str,
    topic: &str,
    run: u32,
    count: usize,
    every: Duration,
) -> anyhow::Result<Sent> {
    let producer: ThreadedProducer<Stored> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "0")
        .set("acks", "all")
        .create_with_context(Stored::default())
        .context("making a producer")?;
    producer.context().lock().resize(count, None);
    // The first message of a producer waits for its connection, which is no vote's delay.
    producer.client().fetch_metadata(Some(topic), FLUSH_MAX)?;
    let start = Instant::now() + every;
    let mut due_at = Vec::with_capacity(count);
    for probe in 0..count {
        let due = start + every * probe as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due_at.push(due);
        let voter = format!("{run:08x}-0000-4000-8000-{probe:012x}");
        let vote = format!(
            r#"{{"vote_id":"{voter}","voter_id":"{voter}","candidate_id":"{CANDIDATE}","timestamp":1704142800000}}"#
        );
        let opaque = Box::new(probe);
        let record = BaseRecord::with_opaque_to(topic, opaque);
        let sent = producer.send(record.key(voter.as_str()).payload(vote.as_str()));
        sent.map_err(|(error, _)| error)
            .context("sending a probe")?;
    }
    producer
        .flush(FLUSH_MAX)
        .context("waiting for the probes to be stored")?;
    let stored = producer.context().lock().clone();
    Ok(Sent { due_at, stored })
}

impl Sent {
    /// The delays in milliseconds of those that were seen, and how many never were.
    pub fn delays_ms(&self, frames: &[Frame]) -> (Vec<f64>, usize) {
        let mut unseen = 0;
        let mut delays_ms = Vec::with_capacity(self.due_at.len());
        for (due_at, stored) in self.due_at.iter().zip(&self.stored) {
            let seen =
                stored.and_then(|(partition, offset)| first_beyond(frames, partition, offset));
            match seen {
                Some(frame) => {
                    let delay = frame.read_at.saturating_duration_since(*due_at);
                    delays_ms.push(delay.as_secs_f64() * 1000.0);
                }
                None => unseen += 1,
            }
        }
        (delays_ms, unseen)
    }

    /// The first offsets that no probe of these has reached, by partition.
    pub fn ends(&self) -> BTreeMap<i32, i64> {
        let mut ends = BTreeMap::new();
        for (partition, offset) in self.stored.iter().flatten() {
            let end = ends.entry(*partition).or_insert(0);
            *end = (*end).max(offset + 1);
        }
        ends
    }
}

/// The first frame that has an offset behind it; offsets only grow.
fn first_beyond(frames: &[Frame], partition: i32, offset: i64) -> Option<&Frame> {
    let is_before = |frame: &Frame| {
        frame
            .next_offsets
            .get(&partition)
            .is_none_or(|at| *at <= offset)
    };
    frames.get(frames.partition_point(is_before))
}

/// A frame of the stream.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When its last byte was read.
    pub read_at: Instant,
    /// The next offset of each partition.
    pub next_offsets: BTreeMap<i32, i64>,
    /// The probes' votes, where they changed.
    pub probes: Option<u64>,
}

/// One subscriber that keeps what it reads.
pub struct Watcher {
    stream: TcpStream,
    frames: Arc<Mutex<Vec<Frame>>>,
    thread: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Change {
    results: Results,
}

#[derive(Deserialize)]
struct Results {
    offsets: BTreeMap<String, i64>,
    candidates: Vec<Candidate>,
}

#[derive(Deserialize)]
struct Candidate {
    candidate_id: String,
    votes: u64,
}

impl Watcher {
    /// Subscribes to every tick of a service.
    pub fn start(address: &str) -> anyhow::Result<Watcher> {
        let mut stream = TcpStream::connect(address).context("connecting to the service")?;
        let request = format!("GET /api/v1/stream HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut reader = BufReader::with_capacity(256 << 10, stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200") {
            bail!("the service has no stream: {line}");
        }
        let frames: Arc<Mutex<Vec<Frame>>> = Arc::default();
        let theirs = Arc::clone(&frames);
        let thread = thread::spawn(move || {
            for line in reader.split(b'\n').map_while(Result::ok) {
                if let Some(frame) = Frame::read(&line) {
                    theirs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(frame);
                }
            }
        });
        Ok(Watcher {
            stream,
            frames,
            thread,
        })
    }

    /// Whether a frame has passed all these offsets.
    pub fn has_passed(&self, ends: &BTreeMap<i32, i64>) -> bool {
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let last = frames.last().map(|frame| &frame.next_offsets);
        ends.iter()
            .all(|(partition, end)| last.is_some_and(|at| at.get(partition) >= Some(end)))
    }

    /// Ends the subscription and gives all frames in order.
    pub fn end(self) -> Vec<Frame> {
        // The thread reads the end of the stream and ends, too.
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.thread.join();
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.clone()
    }
}

impl Frame {
    /// A line of a snapshot's or a change's data.
    fn read(line: &[u8]) -> Option<Frame> {
        let read_at = Instant::now();
        let data = line.strip_prefix(b"data: ")?;
        let change: Change = serde_json::from_slice(data).ok()?;
        let offsets = change.results.offsets.into_iter();
        let next_offsets = offsets.filter_map(|(name, offset)| {
            let (_, partition) = name.rsplit_once('/')?;
            Some((partition.parse().ok()?, offset))
        });
        let candidates = change.results.candidates.iter();
        let mut probes = candidates.filter(|row| row.candidate_id == CANDIDATE);
        Some(Frame {
            read_at,
            next_offsets: next_offsets.collect(),
            probes: probes.next().map(|row| row.votes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_seen_in_the_first_frame_beyond_its_offset() {
        let now = Instant::now();
        let frame = |ms: u64, offset: i64| Frame {
            read_at: now + Duration::from_millis(ms),
            next_offsets: BTreeMap::from([(0, offset)]),
            probes: None,
        };
        let frames = [frame(10, 0), frame(20, 5), frame(30, 6)];
        let sent = Sent {
            due_at: vec![now; 4],
            stored: vec![Some((0, 4)), Some((0, 5)), Some((0, 6)), None],
        };
        assert_eq!(sent.delays_ms(&frames), (vec![20.0, 30.0], 2));
        assert_eq!(sent.ends(), BTreeMap::from([(0, 7)]));
    }

    #[test]
    fn frames_have_offsets_and_the_probes_votes() {
        let data = br#"data: {"tick":1,"results":{"offsets":{"a/b/3":7},"candidates":[{"candidate_id":"probe","votes":2}]}}"#;
        let frame = Frame::read(data).expect("it is a frame");
        assert_eq!(frame.next_offsets, BTreeMap::from([(3, 7)]));
        assert_eq!(frame.probes, Some(2));
        assert!(Frame::read(b"data: {\"tick\":1,\"lag\":0}").is_none());
    }
}
