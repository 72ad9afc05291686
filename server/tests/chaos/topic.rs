//! What a topic holds, read by a consumer of our own.
//!
//! In comes the broker's address; out come all messages of committed transactions with their
//! places, and where each partition ends. Also makes the topics of a seed. Joins no group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long a whole topic may take to be read, and a request to be answered.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long the consumer waits for the next message.
const POLL: Duration = Duration::from_millis(100);

/// A message at its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When the log took it, in milliseconds since the Unix epoch.
    pub time_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its body.
    pub body: Option<Vec<u8>>,
    /// Its headers by name.
    pub headers: BTreeMap<String, Vec<u8>>,
}

/// A topic's content.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// By partition, then offset.
    pub messages: Vec<Found>,
    /// For each partition, the offset that its next message will get.
    pub ends: BTreeMap<i32, i64>,
}

/// Reads a topic to its end as of now; a topic that is not there is empty.
pub fn read(kafka: &str, topic: &str) -> anyhow::Result<Content> {
    let consumer: BaseConsumer = config(kafka)
        // Needed by the client, used for nothing: partitions are assigned by hand.
        .set("group.id", "chaos-judge")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .create()
        .context("making a consumer for the judge")?;
    let ends = ends(&consumer, topic)?;
    let mut content = Content {
        messages: Vec::new(),
        ends,
    };
    let mut open: BTreeSet<i32> = content.ends.keys().copied().collect();
    let mut assigned = TopicPartitionList::new();
    for partition in &open {
        assigned.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assigned)?;
    let deadline = Instant::now() + DEADLINE;
    while !open.is_empty() {
        ensure!(Instant::now() < deadline, "reading {topic} took too long");
        match consumer.poll(POLL) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => return Err(error).context(format!("reading {topic}")),
            Some(Ok(message)) => content.messages.push(found(&message)),
        }
    }
    content
        .messages
        .sort_by_key(|found| (found.partition, found.offset));
    Ok(content)
}

fn found(message: &rdkafka::message::BorrowedMessage<'_>) -> Found {
    let headers = message.headers().into_iter().flat_map(|all| all.iter());
    Found {
        partition: message.partition(),
        offset: message.offset(),
        time_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        body: message.payload().map(<[u8]>::to_vec),
        headers: headers
            .map(|each| (each.key.to_string(), each.value.unwrap_or(&[]).to_vec()))
            .collect(),
    }
}

fn ends(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), DEADLINE)
        .with_context(|| format!("asking for the partitions of {topic}"))?;
    let mut ends = BTreeMap::new();
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), DEADLINE)?;
        ends.insert(partition.id(), end);
    }
    Ok(ends)
}

/// Makes the topic of a seed's votes.
pub fn create(kafka: &str, topic: &str, partitions: usize, append: bool) -> anyhow::Result<()> {
    let times = if append {
        "LogAppendTime"
    } else {
        "CreateTime"
    };
    let new = NewTopic::new(topic, partitions as i32, TopicReplication::Fixed(1))
        .set("message.timestamp.type", times);
    // It lives until the answer is there: its thread brings it.
    let admin = admin(kafka)?;
    checked(topic, wait(admin.create_topics([&new], &options()))?)
}

/// Gives a topic more partitions.
pub fn grow(kafka: &str, topic: &str, partitions: usize) -> anyhow::Result<()> {
    let more = NewPartitions::new(topic, partitions);
    let admin = admin(kafka)?;
    checked(topic, wait(admin.create_partitions([&more], &options()))?)
}

/// Deletes topics of an earlier seed, and waits until they are gone.
pub fn delete(kafka: &str, topics: &[&str]) -> anyhow::Result<()> {
    let admin = admin(kafka)?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = wait(admin.delete_topics(topics, &options()))?;
        let gone = Err(RDKafkaErrorCode::UnknownTopicOrPartition);
        if left.iter().all(|each| {
            each.as_ref().map_err(|(_, code)| *code) == gone.as_ref().map_err(|code| *code)
        }) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{topics:?} cannot be deleted");
        std::thread::park_timeout(POLL);
    }
}

fn config(kafka: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka);
    config
}

fn admin(kafka: &str) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    config(kafka).create().context("making an administrator")
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(DEADLINE))
        .request_timeout(Some(DEADLINE))
}

/// Waits for one answer; the administrator's own thread brings it.
fn wait<T>(answer: impl Future<Output = Result<T, KafkaError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(answer)?)
}

fn checked(topic: &str, results: Vec<rdkafka::admin::TopicResult>) -> anyhow::Result<()> {
    for result in results {
        if let Err((_, code)) = result {
            anyhow::bail!("changing {topic} failed: {code}");
        }
    }
    Ok(())
}
