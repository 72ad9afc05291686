//! The embedded log: a topic of eight partitions in the data directory, for when there is no Kafka.
//!
//! Messages come in from POST and from the demo, and facts from the server itself; records go out
//! to the workers, durable before anybody sees them. One directory belongs to one process at a
//! time. It never drops, repairs or reorders a record: what was acknowledged is there, or there is
//! an error that names the place.
//!
//! ```text
//!  append ── batch.rs ──▶ queue ── commit.rs ──▶ store.rs ──▶ reader.rs ──▶ worker
//!            by partition  bounded  offsets, time  redb, synced   blocks to records
//! ```

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, TrySendError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::clock::{Clock, JUMP_MAX_MS};
use super::{Appended, Extent, Log, LogError, Message, Reader, Writer};
use commit::{Committer, Fact, Job, Request};
use reader::{EmbeddedReader, Waker};
use state::State;
use store::Store;

pub use check::Damage;

use crate::warnings::Warnings;

mod batch;
mod block;
mod check;
mod commit;
mod reader;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod view;

/// How many partitions the log has, whatever the number of workers.
pub const PARTITIONS: u32 = 8;

/// The most bytes of one append.
pub const APPEND_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The most bytes that wait for the committer; beyond them an append is answered with `Busy`.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most appends that wait for the committer.
pub const QUEUE_APPENDS_MAX: usize = 4096;

/// Room in the queue for facts, so that votes do not crowd them out.
const QUEUE_FACTS_MAX: usize = 64;

/// The fact that tells this log from any other.
const ID: &str = "log_id";

/// What a message costs in the queue beyond its bytes.
const MESSAGE_BYTES: usize = 64;

/// Whether a directory holds a log.
pub fn is_log(directory: &Path) -> bool {
    directory.join(store::FILE).exists()
}

/// Whether a process has the log of a directory open.
pub fn is_in_use(directory: &Path) -> bool {
    matches!(store::lock(directory), Err(LogError::InUse { .. }))
}

/// The log of a data directory, open.
///
/// Append and read through [`Writer`] and [`Log`]. Dropping it closes it.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    id: String,
    queue: Sender<Request>,
    committer: Mutex<Option<JoinHandle<Result<(), LogError>>>>,
}

impl EmbeddedLog {
    /// Opens the log in `directory`, or makes an empty one there for `topic`.
    ///
    /// What a killed process had not acknowledged is gone, and a warning says so.
    pub fn open(directory: &Path, topic: &str) -> Result<EmbeddedLog, LogError> {
        let (store, state) = Store::open(directory, topic)?;
        let mut log = EmbeddedLog::start(store, state, topic, Clock::system())?;
        log.id = log.find_id()?;
        Ok(log)
    }

    /// What tells this log from any other, made the first time from the system's randomness.
    fn find_id(&self) -> Result<String, LogError> {
        if let Some(kept) = self.get(ID)? {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|source| LogError::Open {
            directory: self.shared.store.directory().to_path_buf(),
            source: Arc::new(source),
        })?;
        let id = format!("{:032x}", u128::from_be_bytes(random));
        self.put_blocking(ID, id.as_bytes())?;
        Ok(id)
    }

    /// Says from now on, as warnings, what an operator should know.
    pub fn warn_by(&self, warnings: Warnings) {
        // Those that were given first stay.
        let _ = self.shared.warnings.set(warnings);
    }

    fn start(
        store: Store,
        state: State,
        topic: &str,
        clock: Clock,
    ) -> Result<EmbeddedLog, LogError> {
        let records: i64 = state.ends.iter().map(|end| end.next_offset).sum();
        if !state.closed {
            tracing::warn!(
                directory = %store.directory().display(),
                records,
                "the log was not closed when it was last used: whatever was being written then \
                 and was not acknowledged is cut off"
            );
        }
        let shared = Arc::new(Shared {
            topic: topic.to_string(),
            store,
            next_offsets: state.ends.map(|end| AtomicI64::new(end.next_offset)),
            last_ms: AtomicI64::new(state.last_ms()),
            clock: Mutex::new(clock),
            warnings: OnceLock::new(),
            wakers: Mutex::new(Vec::new()),
            queued_bytes: AtomicUsize::new(0),
            queued_appends: AtomicUsize::new(0),
        });
        let (queue, requests) = crossbeam_channel::bounded(QUEUE_APPENDS_MAX + QUEUE_FACTS_MAX);
        let theirs = Arc::clone(&shared);
        let committer = thread::Builder::new()
            .name("log-commit".to_string())
            .spawn(move || Committer::new(&theirs, requests, state).run())
            .map_err(|source| LogError::Open {
                directory: shared.store.directory().to_path_buf(),
                source: Arc::new(source),
            })?;
        Ok(EmbeddedLog {
            shared,
            id: String::new(),
            queue,
            committer: Mutex::new(Some(committer)),
        })
    }

    /// As [`Writer::append`], and stores a fact in the same commit: both are there or neither.
    pub fn append_with_fact(
        &self,
        messages: Vec<Message>,
        not_before_ms: i64,
        key: &str,
        value: &[u8],
    ) -> BoxFuture<'static, Result<Appended, LogError>> {
        let fact = Some((key.to_string(), value.to_vec()));
        self.send(messages, not_before_ms, fact)
    }

    /// One of the server's own facts, as it was stored last.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, LogError> {
        self.shared.store.fact(key)
    }

    /// Stores a fact; it is durable on return. For plain threads: it blocks for a sync or two.
    pub fn put_blocking(&self, key: &str, value: &[u8]) -> Result<(), LogError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job = Job {
            chunks: Vec::new(),
            not_before_ms: i64::MIN,
            fact: Some((key.to_string(), value.to_vec())),
            reply: Box::new(move |outcome| {
                // Nobody waits any more only if the thread that waits has died.
                let _ = answer.send(outcome);
            }),
            permit: None,
        };
        // The committer always comes back to the queue, so this wait is for one commit at most.
        self.queue
            .send(Request::Append(job))
            .map_err(|_| LogError::Closed)?;
        answered.recv().map_err(|_| LogError::Closed)?.map(|_| ())
    }

    /// Stores what waits, marks the log as closed and gives the directory free; readers and
    /// appends then get [`LogError::Closed`]. Blocks meanwhile; the second time it does nothing.
    pub fn close(&self) -> Result<(), LogError> {
        let mut committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = committer.take() else {
            return Ok(());
        };
        // A committer that is gone already says why when it is joined.
        let _ = self.queue.send(Request::Close);
        thread
            .join()
            .unwrap_or_else(|_| Err(self.shared.store.damaged_file("its writer gave up")))
    }

    fn send(
        &self,
        messages: Vec<Message>,
        not_before_ms: i64,
        fact: Option<Fact>,
    ) -> BoxFuture<'static, Result<Appended, LogError>> {
        let (shared, queue) = (Arc::clone(&self.shared), self.queue.clone());
        async move {
            let permit = if messages.is_empty() {
                None
            } else {
                Some(Permit::take(&shared, &messages)?)
            };
            let chunks = batch::split(messages).await;
            let (answer, answered) = tokio::sync::oneshot::channel();
            let job = Job {
                chunks,
                not_before_ms,
                fact,
                reply: Box::new(move |outcome| {
                    // Nobody waits any more if the caller gave up; the messages are stored.
                    let _ = answer.send(outcome);
                }),
                permit,
            };
            queue
                .try_send(Request::Append(job))
                .map_err(|refused| match refused {
                    TrySendError::Full(_) => LogError::Busy,
                    TrySendError::Disconnected(_) => LogError::Closed,
                })?;
            answered.await.unwrap_or(Err(LogError::Closed))
        }
        .boxed()
    }
}

impl Log for EmbeddedLog {
    fn topic(&self) -> &str {
        &self.shared.topic
    }

    fn topic_id(&self) -> Result<String, LogError> {
        Ok(self.id.clone())
    }

    fn is_gapless(&self) -> bool {
        true
    }

    fn extents(&self) -> Result<Vec<Extent>, LogError> {
        (0..PARTITIONS)
            .map(|partition| self.shared.extent(partition))
            .collect()
    }

    fn last_extents(&self) -> Vec<Extent> {
        // A log that is closed at the end has no extents any more, and nobody asks for long.
        self.extents().unwrap_or_default()
    }

    fn reader(
        &self,
        from: &[(u32, i64)],
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Box<dyn Reader>, LogError> {
        let (reader, waker) = EmbeddedReader::new(Arc::clone(&self.shared), from, wake)?;
        self.shared.wakers().push(waker);
        Ok(Box::new(reader))
    }
}

impl Writer for EmbeddedLog {
    fn now_ms(&self) -> Result<i64, LogError> {
        self.shared.now_ms()
    }

    fn append(
        &self,
        messages: Vec<Message>,
        not_before_ms: i64,
    ) -> BoxFuture<'static, Result<Appended, LogError>> {
        self.send(messages, not_before_ms, None)
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!("closing the log failed: {error}");
        }
    }
}

/// What the committer and the readers share.
struct Shared {
    topic: String,
    store: Store,
    /// By partition: below it records are durable and may be read.
    next_offsets: [AtomicI64; PARTITIONS as usize],
    /// The time of the last record of all.
    last_ms: AtomicI64,
    clock: Mutex<Clock>,
    warnings: OnceLock<Warnings>,
    wakers: Mutex<Vec<Weak<Waker>>>,
    queued_bytes: AtomicUsize,
    queued_appends: AtomicUsize,
}

impl Shared {
    fn next_offset(&self, partition: u32) -> i64 {
        self.next_offsets[place(partition)].load(Ordering::Acquire)
    }

    fn extent(&self, partition: u32) -> Result<Extent, LogError> {
        if partition >= PARTITIONS {
            return Err(LogError::NoPartition {
                topic: self.topic.clone(),
                partition,
                partitions: PARTITIONS,
            });
        }
        Ok(Extent {
            partition,
            first_offset: 0,
            next_offset: self.next_offset(partition),
        })
    }

    /// The time, if the clock can be believed; else it is said.
    fn now_ms(&self) -> Result<i64, LogError> {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        // A reading is whole whoever panicked while holding it.
        let now = self
            .clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .now(last_ms);
        let warnings = self.warnings.get();
        match now {
            Ok(now_ms) => {
                if let Some(warnings) = warnings {
                    warnings.clear("clock_jump");
                    warn_of_a_clock_behind(warnings, last_ms, now_ms);
                }
                Ok(now_ms)
            }
            Err(jump) => {
                let error = LogError::ClockJump { by_ms: jump.by_ms };
                match warnings {
                    Some(warnings) => warnings.raise("clock_jump", error.to_string()),
                    None => tracing::warn!("{error}"),
                }
                Err(error)
            }
        }
    }

    /// Lets readers see what was committed, and wakes those whose partitions grew.
    fn publish(&self, state: &State) {
        let mut grown = [false; PARTITIONS as usize];
        self.last_ms.store(state.last_ms(), Ordering::Relaxed);
        for (index, end) in state.ends.iter().enumerate() {
            let before = self.next_offsets[index].swap(end.next_offset, Ordering::AcqRel);
            grown[index] = before < end.next_offset;
        }
        self.wake(|partition| grown[place(partition)]);
    }

    /// Wakes the readers of some partitions, and forgets those that are gone.
    fn wake(&self, is_meant: impl Fn(u32) -> bool) {
        self.wakers().retain(|waker| {
            let waker = waker.upgrade();
            if let Some(waker) = &waker {
                waker.wake_for(&is_meant);
            }
            waker.is_some()
        });
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Weak<Waker>>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that times stand still: they never go back.
fn warn_of_a_clock_behind(warnings: &Warnings, last_ms: i64, now_ms: i64) {
    let behind_ms = last_ms.saturating_sub(now_ms);
    if behind_ms <= JUMP_MAX_MS {
        return warnings.clear("clock_behind");
    }
    let message = format!(
        "the clock of this machine is about {} minutes behind the last vote in the log: until it \
         has passed it, votes get that vote's time; set the clock, if it is wrong",
        behind_ms / 60_000
    );
    warnings.raise("clock_behind", message);
}

/// An append's share of what may wait; given back when it is dropped.
struct Permit {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Permit {
    fn take(shared: &Arc<Shared>, messages: &[Message]) -> Result<Permit, LogError> {
        let bytes = messages
            .iter()
            .map(|message| message.bytes.len() + MESSAGE_BYTES)
            .sum();
        if bytes > APPEND_BYTES_MAX {
            return Err(LogError::TooLarge {
                bytes,
                bytes_max: APPEND_BYTES_MAX,
            });
        }
        // From here on dropping the permit gives back what was taken, too much of it too.
        let permit = Permit {
            shared: Arc::clone(shared),
            bytes,
        };
        let waiting_bytes = shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let waiting = shared.queued_appends.fetch_add(1, Ordering::Relaxed) + 1;
        if waiting_bytes > QUEUE_BYTES_MAX || waiting > QUEUE_APPENDS_MAX {
            return Err(LogError::Busy);
        }
        Ok(permit)
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared
            .queued_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        self.shared.queued_appends.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A partition's place in an array of all.
fn place(partition: u32) -> usize {
    partition as usize
}
