//! Where messages go: HTTP, a topic of Kafka, a file, or whatever implements [`Target`].
//!
//! Comes in as batches; nothing goes on but what became of them. A target knows no election.

use std::path::PathBuf;
use std::str::FromStr;

use crate::batch::Batch;

pub use file::FileTarget;
pub use http::{HttpOptions, HttpTarget};
pub use kafka::{KafkaAddress, KafkaOptions, KafkaTarget, VOTES_TOPIC_CONFIG, wait_for};

mod file;
mod http;
mod kafka;

/// Takes messages until it is finished.
pub trait Target {
    /// Sends a batch, or takes it over to be sent; waits while too much is on its way. After an
    /// error nothing more is sent.
    fn send(&mut self, batch: &Batch) -> Result<(), TargetError>;

    /// Waits until everything is safe at the other end, and says what became of it.
    fn finish(&mut self) -> Result<Delivery, TargetError>;
}

/// What became of the messages sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Messages that the target has taken for good.
    pub stored: u64,
    /// Malformed messages that the target has turned away, as it should, and so never stores.
    pub turned_away: u64,
    /// Messages that were sent again since it was not known whether they had been stored. Each
    /// is one vote all the same, but may be counted as a duplicate.
    pub sent_again: u64,
}

/// What ends the sending.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address has no form that is known.
    #[error(
        "'{0}' is no place to send votes to: write http://HOST:PORT, file:PATH or \
         kafka://HOST:PORT/TOPIC"
    )]
    Address(String),
    /// A file cannot be written.
    #[error("could not write votes to '{}'; check the path and the room on the disk", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No answer for as long as patience lasted.
    #[error(
        "could not send votes to {url} for {seconds} s; check that the server runs there, then \
         run the same command again: what is stored already counts once"
    )]
    Unreachable {
        /// The route.
        url: String,
        /// For how long it was tried.
        seconds: u64,
        /// The last failure.
        source: Box<ureq::Error>,
    },
    /// Nothing but asking for patience, for as long as it lasted.
    #[error(
        "the server at {url} has answered {status} for {seconds} s ({detail}); see its log, then \
         run the same command again: what is stored already counts once"
    )]
    Busy {
        /// The route.
        url: String,
        /// The last status.
        status: u16,
        /// For how long it was tried.
        seconds: u64,
        /// What the server said.
        detail: String,
    },
    /// The server does not want what it must take.
    #[error("the server at {url} refused votes with status {status}: {detail}")]
    Refused {
        /// The route.
        url: String,
        /// The status.
        status: u16,
        /// What the server said, or what to do.
        detail: String,
    },
    /// The server took what is no vote.
    #[error(
        "the server at {url} stored a message that it must refuse as {reason}: the totals cannot \
         be met; report this as a fault of the server"
    )]
    TookMalformed {
        /// The route.
        url: String,
        /// For which reason it is no event.
        reason: &'static str,
    },
    /// A 202 that is no receipt.
    #[error(
        "the server at {url} acknowledged {stored} of {sent} votes; is it a tallyflow server, and \
         of this version?"
    )]
    Receipt {
        /// The route.
        url: String,
        /// What it says it stored.
        stored: String,
        /// What was sent.
        sent: u64,
    },
    /// An option of the Kafka client that is none.
    #[error(
        "could not read a --kafka-option: write it as NAME=VALUE, such as security.protocol=SSL"
    )]
    KafkaOptionForm,
    /// An option of the Kafka client that cannot be.
    #[error("could not use the kafka option '{name}' ({detail}): correct it, or leave it out")]
    KafkaOption {
        /// Its name.
        name: String,
        /// Why, without its value.
        detail: String,
    },
    /// The Kafka client cannot be made.
    #[error(
        "could not start a kafka client with these options: see whether they go together, and \
         whether this build has what they ask for (TLS comes with the cargo feature tls)"
    )]
    KafkaClient(#[source] Box<rdkafka::error::KafkaError>),
    /// No broker answers.
    #[error(
        "could not reach {address} for {seconds} s ({problem}); check that a broker runs there and \
         advertises an address that can be reached from here"
    )]
    KafkaUnreachable {
        /// Brokers and topic.
        address: String,
        /// For how long it was tried.
        seconds: u64,
        /// What the client said.
        problem: String,
        /// The last failure.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// The topic is absent and cannot be made.
    #[error(
        "could not make the topic of {address}, which is not there; make it with \
         message.timestamp.type=LogAppendTime, or name one that is there"
    )]
    KafkaTopic {
        /// Brokers and topic.
        address: String,
        /// Why.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// A message could not be stored.
    #[error(
        "could not store all votes in {address} ({problem}), {stored} are known to be there; check \
         the brokers, then run the same command again: what is stored already counts once"
    )]
    KafkaDelivery {
        /// Brokers and topic.
        address: String,
        /// How many are acknowledged.
        stored: u64,
        /// What the client said.
        problem: String,
        /// The first failure.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// A target other than these has failed.
    #[error("could not append votes to {place}")]
    Other {
        /// What the target writes to.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where to send, as it is typed: `http://HOST:PORT`, `file:PATH` or `kafka://HOST:PORT/TOPIC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A server's base address, without a slash at its end.
    Http(String),
    /// A file, one message a line.
    File(PathBuf),
    /// A topic of a Kafka cluster.
    Kafka(KafkaAddress),
}

impl FromStr for Address {
    type Err = TargetError;

    fn from_str(typed: &str) -> Result<Address, TargetError> {
        let unknown = || TargetError::Address(typed.to_string());
        let (scheme, rest) = typed.split_once(':').ok_or_else(unknown)?;
        match (scheme, rest.strip_prefix("//")) {
            ("http", Some(host)) if !host.trim_matches('/').is_empty() => {
                Ok(Address::Http(typed.trim_end_matches('/').to_string()))
            }
            ("file", _) if !rest.is_empty() => {
                // `file:///tmp/x` and `file:/tmp/x` are the same; `file:x` is relative.
                let path = match rest.strip_prefix("///") {
                    Some(absolute) => format!("/{absolute}"),
                    None => rest.to_string(),
                };
                Ok(Address::File(PathBuf::from(path)))
            }
            ("kafka", Some(place)) => place.parse().map(Address::Kafka).map_err(|()| unknown()),
            _ => Err(unknown()),
        }
    }
}

/// How each kind of target is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetOptions {
    /// For a server.
    pub http: HttpOptions,
    /// For a topic.
    pub kafka: KafkaOptions,
}

/// Opens what an address names.
pub fn open(address: &Address, options: &TargetOptions) -> Result<Box<dyn Target>, TargetError> {
    match address {
        Address::Http(base) => Ok(Box::new(HttpTarget::new(base, &options.http))),
        Address::File(path) => Ok(Box::new(FileTarget::create(path)?)),
        Address::Kafka(address) => Ok(Box::new(KafkaTarget::connect(address, &options.kafka)?)),
    }
}
