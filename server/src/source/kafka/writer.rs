//! Appends to the topic through one idempotent producer of the process.
//!
//! Messages of a POST come in; the offsets after them go out once all replicas have them. A full
//! queue says so at once. The order of one key's messages is that of the appends, also when a
//! write is tried again.
//!
//! Non-guarantee: where the topic is set to LogAppendTime, the log time is the broker's clock and
//! `not_before_ms` has no say.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;

use super::producer::{Answered, Served};
use super::{KafkaSettings, now_ms, options};
use crate::source::{Appended, LogError, Message};

/// How long a message is tried before its append is answered with an error.
const TRIED_MS_MAX: u32 = 15_000;

/// The most bytes of one append.
const APPEND_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The most bytes and messages that wait for the brokers; beyond them an append is `Busy`.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
const WAITING_MESSAGES_MAX: usize = 400_000;

/// What a message costs while it waits beyond its bytes.
const MESSAGE_BYTES: usize = 64;

/// How many messages go to the client before other tasks of the runtime have a turn.
const TURN_MESSAGES: usize = 512;

type Client = Served<Arc<Append>>;

/// The process's producer.
#[derive(Clone)]
pub(super) struct KafkaWriter(Arc<Inner>);

struct Inner {
    settings: KafkaSettings,
    /// The client, and the largest log time that it was given: those of one partition never
    /// decrease, so messages are stamped and handed over under one lock.
    line: Mutex<Line>,
    waiting: Arc<Waiting>,
}

struct Line {
    client: Client,
    last_ms: i64,
}

/// What waits for the brokers, of all appends.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    messages: AtomicUsize,
}

impl KafkaWriter {
    /// Makes the producer. It need not reach a broker.
    pub(super) fn new(settings: &KafkaSettings) -> Result<KafkaWriter, LogError> {
        let line = Line {
            client: make(settings)?,
            last_ms: i64::MIN,
        };
        Ok(KafkaWriter(Arc::new(Inner {
            settings: settings.clone(),
            line: Mutex::new(line),
            waiting: Arc::default(),
        })))
    }

    /// As [`crate::source::Writer::append`].
    pub(super) fn append(
        &self,
        messages: Vec<Message>,
        not_before_ms: i64,
    ) -> BoxFuture<'static, Result<Appended, LogError>> {
        let inner = Arc::clone(&self.0);
        async move {
            if messages.is_empty() {
                return Ok(Appended::default());
            }
            let permit = Permit::take(&inner.waiting, &messages)?;
            let (answer, answered) = oneshot::channel();
            let append = Arc::new(Append {
                topic: inner.settings.topic.clone(),
                outcome: Mutex::new(Ok(Appended::default())),
                answer: Mutex::new(Some(answer)),
                _permit: permit,
            });
            for turn in messages.chunks(TURN_MESSAGES) {
                if !inner.send(turn, not_before_ms, &append)? {
                    // What was handed over already answers for itself; the rest is not stored.
                    break;
                }
                tokio::task::yield_now().await;
            }
            // From here on each message that is on its way holds the append; the last one answers.
            drop(append);
            answered.await.unwrap_or(Err(LogError::Closed))
        }
        .boxed()
    }
}

impl Inner {
    /// Hands messages to the client, and says whether it took them all.
    fn send(
        &self,
        messages: &[Message],
        not_before_ms: i64,
        append: &Arc<Append>,
    ) -> Result<bool, LogError> {
        let mut line = self.line();
        if line.client.get().client().fatal_error().is_some() {
            self.renew(&mut line)?;
        }
        line.last_ms = line.last_ms.max(now_ms()).max(not_before_ms);
        let time_ms = line.last_ms;
        for message in messages {
            let record = BaseRecord::with_opaque_to(&self.settings.topic, Arc::clone(append))
                .key(&message.key[..])
                .payload(&message.bytes[..])
                .timestamp(time_ms);
            if let Err((error, _)) = line.client.get().send(record) {
                append.fail(&error, message.bytes.len());
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Replaces a producer that has given up, as one does when its place in the order is lost.
    fn renew(&self, line: &mut Line) -> Result<(), LogError> {
        let client = make(&self.settings)?;
        tracing::warn!("the kafka producer gave up and is replaced by another");
        line.client = client;
        Ok(())
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(settings: &KafkaSettings) -> Result<Client, LogError> {
    let config = options::producer(settings, TRIED_MS_MAX);
    Served::start(settings, &config)
}

/// One append; answered when the last of its messages is.
struct Append {
    topic: String,
    outcome: Mutex<Result<Appended, LogError>>,
    answer: Mutex<Option<oneshot::Sender<Result<Appended, LogError>>>>,
    _permit: Permit,
}

impl Append {
    fn stored(&self, partition: i32, offset: i64) {
        let partition = u32::try_from(partition).unwrap_or(u32::MAX);
        let mut outcome = lock(&self.outcome);
        if let Ok(appended) = outcome.as_mut() {
            appended.stored += 1;
            let next = appended.next_offsets.entry(partition).or_insert(0);
            *next = (*next).max(offset + 1);
        }
    }

    fn fail(&self, error: &KafkaError, bytes: usize) {
        let error = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => LogError::KafkaTooLarge {
                topic: self.topic.clone(),
                bytes,
            },
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => LogError::KafkaDenied {
                topic: self.topic.clone(),
                attempted: "writing",
                why: error.to_string(),
            },
            code => LogError::KafkaNotStored {
                topic: self.topic.clone(),
                why: code.map_or_else(|| error.to_string(), |code| code.to_string()),
            },
        };
        let mut outcome = lock(&self.outcome);
        if outcome.is_ok() {
            *outcome = Err(error);
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut *lock(&self.outcome), Err(LogError::Closed));
        if let Some(answer) = lock(&self.answer).take() {
            // Nobody waits any more if the caller gave up; what is stored is stored.
            let _ = answer.send(outcome);
        }
    }
}

/// An append's share of what may wait; given back when its last message is answered. That is on
/// the producer's own thread, which cannot end the producer: so this must not keep it.
struct Permit {
    waiting: Arc<Waiting>,
    bytes: usize,
    messages: usize,
}

impl Permit {
    fn take(waiting: &Arc<Waiting>, messages: &[Message]) -> Result<Permit, LogError> {
        let bytes = messages
            .iter()
            .map(|message| message.key.len() + message.bytes.len() + MESSAGE_BYTES)
            .sum();
        if bytes > APPEND_BYTES_MAX {
            return Err(LogError::TooLarge {
                bytes,
                bytes_max: APPEND_BYTES_MAX,
            });
        }
        // From here on dropping the permit gives back what was taken, too much of it too.
        let permit = Permit {
            waiting: Arc::clone(waiting),
            bytes,
            messages: messages.len(),
        };
        let all_bytes = waiting.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = waiting
            .messages
            .fetch_add(permit.messages, Ordering::Relaxed)
            + permit.messages;
        if all_bytes > WAITING_BYTES_MAX || all > WAITING_MESSAGES_MAX {
            return Err(LogError::Busy);
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.waiting
            .messages
            .fetch_sub(self.messages, Ordering::Relaxed);
    }
}

impl Answered for Arc<Append> {
    fn answer(self, result: &DeliveryResult<'_>) {
        match result {
            Ok(message) => self.stored(message.partition(), message.offset()),
            Err((error, message)) => self.fail(error, message.payload_len()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
