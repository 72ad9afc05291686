//! Why the aggregate topics could not be brought up to date, and what the operator can do.
//!
//! None of these ends the service or holds up the counting: the sink tries again.

use std::time::Duration;

use rdkafka::error::KafkaError;

use super::KEYS_MAX;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    /// An option of the Kafka client that cannot be.
    #[error("could not use the kafka option '{name}' ({detail}): correct it, or leave it out")]
    Option {
        /// Its name.
        name: String,
        /// Why, without its value, which may be a password.
        detail: String,
    },
    /// The client cannot be made.
    #[error(
        "could not start a kafka client for the aggregates: see whether the kafka options go \
         together, and whether this build has what they ask for"
    )]
    Client(#[source] KafkaError),
    /// The sink's thread cannot be started.
    #[error("could not start the thread of the aggregates: see how many threads are allowed")]
    Thread(#[source] std::io::Error),
    /// No broker answers.
    #[error("could not ask kafka at {bootstrap} for its topics ({problem}): check that it runs")]
    Unreachable {
        /// The brokers that were asked.
        bootstrap: String,
        /// What the client said.
        problem: String,
        /// The failure.
        source: KafkaError,
    },
    /// A topic is absent and is not to be made.
    #[error(
        "could not find the topic '{topic}', and topics are not to be made: make it with \
         cleanup.policy=compact"
    )]
    Absent {
        /// The topic.
        topic: &'static str,
    },
    /// A topic is absent and cannot be made.
    #[error(
        "could not make the topic '{topic}': make it with cleanup.policy=compact, or allow it to \
         be made"
    )]
    Make {
        /// The topic.
        topic: &'static str,
        /// Why.
        source: KafkaError,
    },
    /// The keys that are there cannot be read.
    #[error("could not read the keys of '{topic}': allow it to be read, and check the brokers")]
    Read {
        /// The topic.
        topic: &'static str,
        /// Why.
        source: KafkaError,
    },
    /// Reading them comes no further.
    #[error("could not read on in '{topic}' for {} s: check the brokers", .waited.as_secs())]
    ReadStalled {
        /// The topic.
        topic: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// There are more keys than can be rows.
    #[error(
        "could not take over '{topic}': it has more than {KEYS_MAX} keys, so it holds something \
         else too; delete the topic, it is written anew"
    )]
    TooManyKeys {
        /// The topic.
        topic: &'static str,
    },
    /// Rows could not be written.
    #[error(
        "could not write the aggregates ({problem}): check that their topics are there and may be \
         written; all rows are written again"
    )]
    Write {
        /// What the client said.
        problem: String,
        /// The first failure.
        source: KafkaError,
    },
    /// Rows wait for longer than they should.
    #[error(
        "could not have the aggregates acknowledged for {} s ({problem}): check the brokers",
        .waited.as_secs()
    )]
    Stalled {
        /// For how long.
        waited: Duration,
        /// What the client said.
        problem: String,
    },
    /// The service ends, and what remained to be done takes too long.
    #[error("could not bring the aggregates up to date before the end: the next start does it")]
    Ended,
}

impl AggregateError {
    /// An error of the client's making, as one about the options that it was made of.
    pub(super) fn of_client(error: KafkaError) -> AggregateError {
        match error {
            // The last field is the option's value.
            KafkaError::ClientConfig(_, detail, name, _) => AggregateError::Option { name, detail },
            error => AggregateError::Client(error),
        }
    }
}
