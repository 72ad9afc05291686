//! The producer of the two topics: writes a round and waits until all of it is acknowledged.
//!
//! Idempotent, so that rows of one key stay in order and none is doubled by resending. Used by one
//! thread, which also takes the client's events off their queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::error::AggregateError;
use super::ledger::Message;
use super::settings::AggregateSettings;
use crate::sink::ending::Ending;

/// How long a row is tried before the sink begins anew.
const MESSAGE_TIMEOUT_MS: u32 = 30_000;

/// Rows that wait in the client take at most so much, in KiB.
const QUEUE_KIB_MAX: u32 = 64 << 10;

/// For how long rows wait for others of their round: they all come within this.
const LINGER_MS: u32 = 2;

/// One look at the client's events; a round is acknowledged within a few of them.
const LOOK: Duration = Duration::from_millis(5);

/// Brokers answer a question about topics in milliseconds, or not at all.
const METADATA_MAX: Duration = Duration::from_secs(3);

/// A round that takes longer shows as a failure, though it is still being tried.
const STALLED: Duration = Duration::from_secs(5);

/// What the client has last said about its connections; clones share it.
#[derive(Clone, Default)]
pub struct Problem(Arc<Mutex<Option<String>>>);

impl Problem {
    fn text(&self) -> String {
        let problem = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        problem
            .clone()
            .unwrap_or_else(|| "no reason given".to_string())
    }
}

impl ClientContext for Problem {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "aggregates");
        // It follows the failure of each broker, and says less.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_string());
    }
}

impl ConsumerContext for Problem {}

/// What the broker has said of rows.
#[derive(Default)]
struct Acknowledged {
    problem: Problem,
    answered: AtomicU64,
    failure: Mutex<Option<KafkaError>>,
}

impl ClientContext for Acknowledged {
    fn error(&self, error: KafkaError, reason: &str) {
        self.problem.error(error, reason);
    }
}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = report {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| error.clone());
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// See the module.
pub struct Writer {
    producer: BaseProducer<Acknowledged>,
    bootstrap: String,
}

impl Writer {
    /// A writer; whether a broker can be reached shows later.
    pub fn new(settings: &AggregateSettings) -> Result<Writer, AggregateError> {
        let mut config = settings.client();
        config
            .set("message.timeout.ms", MESSAGE_TIMEOUT_MS.to_string())
            .set("linger.ms", LINGER_MS.to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB_MAX.to_string())
            .set("compression.type", "lz4")
            // As Java clients do it: a row stays in the partition where others have put it.
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("acks", "all");
        let producer = create(&config)?;
        Ok(Writer {
            producer,
            bootstrap: settings.bootstrap.clone(),
        })
    }

    /// All topics that the brokers know. Asked for a single one, they might make it.
    pub fn metadata(&self) -> Result<Metadata, AggregateError> {
        let fetched = self.producer.client().fetch_metadata(None, METADATA_MAX);
        self.serve();
        fetched.map_err(|source| AggregateError::Unreachable {
            bootstrap: self.bootstrap.clone(),
            problem: self.context().problem.text(),
            source,
        })
    }

    /// Takes what the client has to say off its queue.
    pub fn serve(&self) {
        self.producer.poll(Duration::from_millis(1));
    }

    /// Writes messages and waits until all are acknowledged. `stalled` is told, once, if that
    /// takes long. After an error some may be written, and the writer is of no use any more.
    pub fn write(
        &self,
        messages: &[Message],
        ending: &Ending,
        stalled: impl FnOnce(AggregateError),
    ) -> Result<(), AggregateError> {
        let started = Instant::now();
        let mut stalled = Some(stalled);
        self.context().answered.store(0, Ordering::Relaxed);
        let mut sent = 0;
        let mut waiting = messages.iter().peekable();
        while sent < messages.len() || self.answered() < sent {
            while let Some(message) = waiting.peek()
                && self.send(message)?
            {
                waiting.next();
                sent += 1;
            }
            self.producer.poll(LOOK);
            self.check()?;
            if ending.is_over() {
                return Err(AggregateError::Ended);
            }
            let waited = started.elapsed();
            if waited > STALLED
                && let Some(stalled) = stalled.take()
            {
                let problem = self.context().problem.text();
                stalled(AggregateError::Stalled { waited, problem });
            }
        }
        Ok(())
    }

    /// Hands a message to the client. False: its queue is full.
    fn send(&self, message: &Message) -> Result<bool, AggregateError> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(message.topic.name());
        record = record.key(&message.key);
        if let Some(value) = &message.value {
            record = record.payload(value);
        }
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => Err(self.failed(error)),
        }
    }

    fn check(&self) -> Result<(), AggregateError> {
        let failure = &self.context().failure;
        let failure = failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match failure {
            Some(error) => Err(self.failed(error)),
            None => Ok(()),
        }
    }

    fn failed(&self, source: KafkaError) -> AggregateError {
        AggregateError::Write {
            problem: self.context().problem.text(),
            source,
        }
    }

    fn answered(&self) -> usize {
        self.context().answered.load(Ordering::Relaxed) as usize
    }

    fn context(&self) -> &Acknowledged {
        self.producer.context()
    }
}

fn create(config: &ClientConfig) -> Result<BaseProducer<Acknowledged>, AggregateError> {
    let made = config.create_with_context(Acknowledged::default());
    made.map_err(AggregateError::of_client)
}
