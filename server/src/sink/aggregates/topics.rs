//! The two topics themselves: made where they are absent, and read once for the keys they hold.
//!
//! Never deletes or changes a topic that is there; one that is not compacted is only warned of, in
//! `/status`.

use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use super::KEYS_MAX;
use super::error::AggregateError;
use super::ledger::Ledger;
use super::rows::Topic;
use super::settings::AggregateSettings;
use super::writer::{Problem, Writer};
use crate::sink::ending::Ending;
use crate::warnings::Warnings;

/// How long a cluster may take to make a topic and to tell all its brokers.
const MAKING_MAX: Duration = Duration::from_secs(20);

/// How long to wait before asking again whether a new topic is there.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How long reading may come no further.
const READ_STALLED: Duration = Duration::from_secs(15);

/// One wait for messages, after which the end is looked at.
const READ_WAIT: Duration = Duration::from_millis(100);

/// A topic that is made here. Small segments: compaction leaves the newest one alone, and the
/// next start reads what compaction has left.
const CONFIG: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "33554432"),
    ("segment.ms", "3600000"),
];

/// The code of the warning about a topic that grows.
const NOT_COMPACTED: &str = "aggregates_not_compacted";

/// The number of partitions of both topics, which are made if absent and allowed.
pub fn make_if_absent(
    settings: &AggregateSettings,
    writer: &Writer,
    runtime: &Runtime,
    ending: &Ending,
) -> Result<Vec<(Topic, i32)>, AggregateError> {
    let mut partitions = ask(writer)?;
    let absent = absent_of(&partitions);
    if let Some(topic) = absent.first()
        && !settings.create_topics
    {
        let topic = topic.name();
        return Err(AggregateError::Absent { topic });
    }
    let config = settings.client();
    let admin = config.create().map_err(AggregateError::of_client)?;
    make(&admin, runtime, &absent)?;
    let started = Instant::now();
    while let Some(&topic) = absent_of(&partitions).first() {
        if started.elapsed() > MAKING_MAX {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(not_made(topic, KafkaError::MetadataFetch(code)));
        }
        if ending.has_begun() {
            return Err(AggregateError::Ended);
        }
        thread::sleep(ASK_AGAIN);
        partitions = ask(writer)?;
    }
    warn_if_not_compacted(&admin, runtime, &settings.warnings);
    Ok(partitions)
}

fn absent_of(partitions: &[(Topic, i32)]) -> Vec<Topic> {
    let absent = partitions.iter().filter(|(_, partitions)| *partitions == 0);
    absent.map(|(topic, _)| *topic).collect()
}

/// How many partitions each topic has that can be written to, or none.
fn ask(writer: &Writer) -> Result<Vec<(Topic, i32)>, AggregateError> {
    let metadata = writer.metadata()?;
    let partitions = |topic: Topic| {
        let mut topics = metadata.topics().iter();
        let found = topics.find(|found| found.name() == topic.name());
        let partitions = found.map_or(&[][..], |found| found.partitions());
        match partitions.iter().all(|partition| partition.leader() >= 0) {
            true => partitions.len() as i32,
            false => 0,
        }
    };
    Ok(Topic::ALL.map(|topic| (topic, partitions(topic))).into())
}

fn make(
    admin: &AdminClient<DefaultClientContext>,
    runtime: &Runtime,
    topics: &[Topic],
) -> Result<(), AggregateError> {
    for &topic in topics {
        // As many copies as the cluster makes by default.
        let new = NewTopic::new(topic.name(), 1, TopicReplication::Fixed(-1));
        let set = |new: NewTopic<'static>, (key, value)| new.set(key, value);
        let new = CONFIG.into_iter().fold(new, set);
        let made = wait_for(runtime, admin.create_topics([&new], &patience()));
        match made.map(|results| results.into_iter().next()) {
            // Another process was faster.
            Ok(Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => {
                tracing::info!(topic = topic.name(), "made a topic for aggregates");
            }
            Ok(Some(Err((_, code)))) => return Err(not_made(topic, KafkaError::AdminOp(code))),
            Ok(None) => return Err(not_made(topic, KafkaError::Canceled)),
            Err(error) => return Err(not_made(topic, error)),
        }
    }
    Ok(())
}

/// A topic that keeps every value of every row grows without end, but works.
fn warn_if_not_compacted(
    admin: &AdminClient<DefaultClientContext>,
    runtime: &Runtime,
    warnings: &Warnings,
) {
    let topics = Topic::ALL.map(|topic| ResourceSpecifier::Topic(topic.name()));
    let described = wait_for(runtime, admin.describe_configs(&topics, &patience()));
    // Who may not ask is not told.
    let Ok(described) = described else { return };
    let mut growing = Vec::new();
    for (topic, config) in Topic::ALL.into_iter().zip(described) {
        let policy = config
            .ok()
            .and_then(|config| config.get("cleanup.policy")?.value.clone());
        if policy.is_some_and(|policy| !policy.contains("compact")) {
            growing.push(format!("'{}'", topic.name()));
        }
    }
    if growing.is_empty() {
        return warnings.clear(NOT_COMPACTED);
    }
    warnings.raise(
        NOT_COMPACTED,
        format!(
            "not compacted, so growing with every change: the kafka topic {}; set \
             cleanup.policy=compact",
            growing.join(" and ")
        ),
    );
}

/// Notes all keys of a topic, from its beginning to its end as of now.
pub fn read_keys(
    settings: &AggregateSettings,
    topic: Topic,
    partitions: i32,
    ending: &Ending,
    ledger: &mut Ledger,
) -> Result<(), AggregateError> {
    let failed = |source| AggregateError::Read {
        topic: topic.name(),
        source,
    };
    let consumer = consumer(settings)?;
    let mut from = TopicPartitionList::new();
    for partition in 0..partitions {
        from.add_partition_offset(topic.name(), partition, Offset::Beginning)
            .map_err(failed)?;
    }
    consumer.assign(&from).map_err(failed)?;
    let mut unread = partitions;
    let mut progress_at = Instant::now();
    while unread > 0 {
        match consumer.poll(READ_WAIT) {
            Some(Ok(message)) => {
                progress_at = Instant::now();
                if let Some(key) = message.key() {
                    ledger.note(topic, key, message.payload().is_some());
                }
                if ledger.keys() > KEYS_MAX {
                    let topic = topic.name();
                    return Err(AggregateError::TooManyKeys { topic });
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
            Some(Err(error)) if is_final(&error) => return Err(failed(error)),
            // What the client can mend by itself shows as a wait.
            Some(Err(_)) | None if progress_at.elapsed() > READ_STALLED => {
                return Err(AggregateError::ReadStalled {
                    topic: topic.name(),
                    waited: progress_at.elapsed(),
                });
            }
            Some(Err(_)) | None => {}
        }
        if ending.has_begun() {
            return Err(AggregateError::Ended);
        }
    }
    Ok(())
}

fn consumer(settings: &AggregateSettings) -> Result<BaseConsumer<Problem>, AggregateError> {
    let mut config: ClientConfig = settings.client();
    config
        // The client wants a group; none is joined, and no offset is stored.
        .set("group.id", "tallyflow-aggregates")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", "16384");
    let made = config.create_with_context(Problem::default());
    made.map_err(AggregateError::of_client)
}

/// Whether an error is none that passes by itself.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    matches!(
        error,
        KafkaError::MessageConsumptionFatal(_)
            | KafkaError::MessageConsumption(
                TopicAuthorizationFailed
                    | UnknownPartition
                    | UnknownTopic
                    | UnknownTopicOrPartition
            )
    )
}

fn not_made(topic: Topic, source: KafkaError) -> AggregateError {
    AggregateError::Make {
        topic: topic.name(),
        source,
    }
}

fn patience() -> AdminOptions {
    // An answer that takes longer is asked for again, after the sink's own pause.
    let limit = Some(Duration::from_secs(5));
    AdminOptions::new()
        .request_timeout(limit)
        .operation_timeout(limit)
}

fn wait_for<T>(runtime: &Runtime, answer: impl Future<Output = T>) -> T {
    runtime.block_on(answer)
}
