//! A topic of Kafka.
//!
//! Comes in as batches; goes out keyed by voter, so that a voter's messages share a partition and
//! keep their order, where Java clients would put them too. Malformed messages are stored as they
//! are: refusing them is the server's work.
//!
//! Within one run the client resends by itself and the broker drops the copies. Non-guarantee:
//! that holds for one run only. One that failed and is run again stores what it had stored a
//! second time, and neither run knows how much that is; the copies count as duplicates.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::batch::{Batch, Message};

use super::{Delivery, Target, TargetError};
pub use address::KafkaAddress;
pub use topic::{VOTES_TOPIC_CONFIG, wait_for};

mod address;
mod topic;

/// Messages that wait or are on their way; at 200 bytes each they take about 60 MB.
const QUEUE_MESSAGES_MAX: u32 = 200_000;

/// The same in KiB, for messages that are larger.
const QUEUE_KIB_MAX: u32 = 128 << 10;

/// For how long a batch is filled: long enough for large ones, too short for an eye to see.
const LINGER_MS: u32 = 10;

/// How long a full queue is left alone: in that time a fast broker takes some thousand messages.
const QUEUE_WAIT: Duration = Duration::from_millis(2);

/// How long one wait for acknowledgements is, before failures are looked at again.
const FLUSH_WAIT: Duration = Duration::from_millis(100);

/// Options that are not for the user to set, and why.
const RESERVED: [(&str, &str); 6] = [
    ("bootstrap.servers", "the address of --to names the brokers"),
    (
        "metadata.broker.list",
        "the address of --to names the brokers",
    ),
    ("acks", "votes are sent only with acks=all"),
    ("request.required.acks", "votes are sent only with acks=all"),
    ("enable.idempotence", "votes are sent only with idempotence"),
    ("transactional.id", "votes are sent outside of transactions"),
];

/// How a topic is written to.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// Options of the client, as librdkafka calls them; their values are never shown.
    pub client: Vec<(String, String)>,
    /// How many partitions a topic gets that is not there yet, at least one.
    pub partitions: u32,
    /// For how long a message is tried; an option `message.timeout.ms` says otherwise.
    pub patience: Duration,
    /// For how long brokers that have never answered are tried.
    pub patience_at_first: Duration,
}

impl Default for KafkaOptions {
    fn default() -> KafkaOptions {
        KafkaOptions {
            client: Vec::new(),
            partitions: 8,
            patience: Duration::from_secs(300),
            patience_at_first: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.client.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaOptions")
            .field("client", &names)
            .field("partitions", &self.partitions)
            .field("patience", &self.patience)
            .field("patience_at_first", &self.patience_at_first)
            .finish()
    }
}

impl KafkaOptions {
    /// Reads an option of the client, typed as `name=value`. What is wrong with one is said
    /// without its value, which may be a password.
    pub fn client_option(typed: &str) -> Result<(String, String), TargetError> {
        let Some((name, value)) = typed.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(TargetError::KafkaOptionForm);
        };
        let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == name);
        match reserved {
            Some((_, why)) => Err(TargetError::KafkaOption {
                name: name.to_string(),
                detail: why.to_string(),
            }),
            None => Ok((name.to_string(), value.to_string())),
        }
    }

    fn config(&self, bootstrap: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("client.id", "tallyflow-producer")
            .set("message.timeout.ms", self.patience.as_millis().to_string())
            .set("compression.type", "lz4")
            .set("linger.ms", LINGER_MS.to_string())
            .set("batch.size", "1000000")
            .set(
                "queue.buffering.max.messages",
                QUEUE_MESSAGES_MAX.to_string(),
            )
            .set("queue.buffering.max.kbytes", QUEUE_KIB_MAX.to_string())
            // As Java clients do it, so that a voter has one partition whoever writes.
            .set("partitioner", "murmur2_random");
        config.extend(self.client.iter().cloned());
        config
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("acks", "all");
        config
    }
}

/// Writes messages to a topic.
pub struct KafkaTarget {
    address: KafkaAddress,
    producer: ThreadedProducer<Reports>,
    sent: u64,
}

/// What the broker has said of messages; filled on the client's thread.
#[derive(Default)]
struct Reports {
    stored: AtomicU64,
    failed: AtomicU64,
    /// The first failure: it is the cause of the others.
    failure: Mutex<Option<KafkaError>>,
    /// What the client has last said about its connections.
    problem: Mutex<Option<String>>,
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        // It follows the failure of each broker, and says less.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_string());
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = report {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| error.clone());
            self.failed.fetch_add(1, Ordering::Release);
        } else {
            self.stored.fetch_add(1, Ordering::Release);
        }
    }
}

impl Reports {
    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire) > 0
    }

    fn answered(&self) -> u64 {
        self.stored.load(Ordering::Acquire) + self.failed.load(Ordering::Acquire)
    }

    fn problem(&self) -> String {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem
            .clone()
            .unwrap_or_else(|| "no reason given".to_string())
    }
}

impl KafkaTarget {
    /// Connects, and makes the topic if it is not there.
    pub fn connect(
        address: &KafkaAddress,
        options: &KafkaOptions,
    ) -> Result<KafkaTarget, TargetError> {
        let config = options.config(&address.bootstrap);
        let producer = config
            .create_with_context(Reports::default())
            .map_err(refused_option)?;
        let target = KafkaTarget {
            address: address.clone(),
            producer,
            sent: 0,
        };
        topic::make_if_absent(&target, &config, options)?;
        Ok(target)
    }

    fn reports(&self) -> &Reports {
        self.producer.context()
    }

    fn hand_over(&mut self, message: Message<'_>) -> Result<(), TargetError> {
        let record = BaseRecord::to(&self.address.topic);
        let mut record = record.key(message.key).payload(message.bytes);
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    if self.reports().has_failed() {
                        return Err(self.failure(None));
                    }
                    record = returned;
                    thread::sleep(QUEUE_WAIT);
                }
                Err((error, _)) => return Err(self.failure(Some(error))),
            }
        }
    }

    /// Why the sending ends: the first failed delivery, else what the client has said.
    fn failure(&self, error: Option<KafkaError>) -> TargetError {
        let reports = self.reports();
        let first = reports
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let source = first.or(error).unwrap_or(KafkaError::Canceled);
        TargetError::KafkaDelivery {
            address: self.address.to_string(),
            stored: reports.stored.load(Ordering::Acquire),
            problem: reports.problem(),
            source: Box::new(source),
        }
    }
}

impl Target for KafkaTarget {
    fn send(&mut self, batch: &Batch) -> Result<(), TargetError> {
        if self.reports().has_failed() {
            return Err(self.failure(None));
        }
        batch
            .messages()
            .try_for_each(|message| self.hand_over(message))
    }

    fn finish(&mut self) -> Result<Delivery, TargetError> {
        // Every message is answered for in the end, by its time-out at the latest.
        while self.reports().answered() < self.sent && !self.reports().has_failed() {
            // That not all is acknowledged yet is seen above.
            let _ = self.producer.flush(FLUSH_WAIT);
        }
        if self.reports().has_failed() {
            return Err(self.failure(None));
        }
        Ok(Delivery {
            stored: self.reports().stored.load(Ordering::Acquire),
            ..Delivery::default()
        })
    }
}

impl fmt::Debug for KafkaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTarget")
            .field("address", &self.address)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// An error of the client's making as one about the options that it was made of. The value of an
/// option is left out: it may be a password.
fn refused_option(error: KafkaError) -> TargetError {
    match error {
        KafkaError::ClientConfig(_, detail, name, _) => TargetError::KafkaOption { name, detail },
        error => TargetError::KafkaClient(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{KafkaAddress, KafkaOptions, KafkaTarget};

    fn check_option(typed: &str, words: &str) {
        let error = KafkaOptions::client_option(typed).expect_err("it is no option to be set");
        let said = error.to_string();
        assert!(
            said.contains(words) && !said.contains("secret"),
            "{typed}: {said}"
        );
    }

    #[test]
    fn options_have_a_form_and_some_are_not_for_the_user() {
        let option = KafkaOptions::client_option("sasl.password=a=b");
        let expected = ("sasl.password".to_string(), "a=b".to_string());
        assert_eq!(option.ok(), Some(expected));
        check_option("secret", "NAME=VALUE");
        check_option("=secret", "NAME=VALUE");
        check_option("acks=secret", "acks=all");
        check_option("bootstrap.servers=secret", "--to");
    }

    #[test]
    fn values_of_options_are_never_shown() {
        let address: KafkaAddress = "127.0.0.1:9/votes".parse().expect("it is an address");
        let options = KafkaOptions {
            client: vec![("sasl.pasword".to_string(), "secret".to_string())],
            ..KafkaOptions::default()
        };
        assert!(!format!("{options:?}").contains("secret"));
        let error = KafkaTarget::connect(&address, &options).expect_err("there is no such option");
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("sasl.pasword") && !said.contains("secret"),
            "{said}"
        );
    }
}
