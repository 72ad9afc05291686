//! What tests do with a broker's topics: make, change, fill, read.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::Broker;

/// How long one of these may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub body: Option<Vec<u8>>,
    pub headers: HashMap<String, String>,
    pub time_ms: Option<i64>,
}

impl Broker {
    /// Makes a topic and waits until it can be used.
    pub fn create_topic(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in config {
            new = new.set(key, value);
        }
        let made = wait(self.admin().create_topics([&new], &AdminOptions::new())).unwrap();
        made.into_iter().next().unwrap().unwrap();
        self.wait_for_partitions(topic, partitions as usize);
    }

    /// What a topic was told for itself, by setting.
    pub fn topic_settings(&self, topic: &str) -> BTreeMap<String, String> {
        let admin = self.admin();
        let asked = [ResourceSpecifier::Topic(topic)];
        let described = wait(admin.describe_configs(&asked, &AdminOptions::new())).unwrap();
        let config = described.into_iter().next().unwrap().unwrap();
        let own = config.entries.into_iter();
        own.filter(|entry| entry.source == ConfigSource::DynamicTopic)
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect()
    }

    /// Tells a topic all that it is to be told for itself.
    pub fn set_topic(&self, topic: &str, config: &[(&str, &str)]) {
        let mut altered = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in config {
            altered = altered.set(key, value);
        }
        let done = wait(self.admin().alter_configs([&altered], &AdminOptions::new())).unwrap();
        done.into_iter().next().unwrap().unwrap();
    }

    /// Deletes a topic and waits until it is gone.
    pub fn delete_topic(&self, topic: &str) {
        let gone = wait(self.admin().delete_topics(&[topic], &AdminOptions::new())).unwrap();
        gone.into_iter().next().unwrap().unwrap();
        self.wait_for_partitions(topic, 0);
    }

    /// Gives a topic more partitions.
    pub fn create_partitions(&self, topic: &str, partitions: usize) {
        let new = NewPartitions::new(topic, partitions);
        let made = wait(self.admin().create_partitions([&new], &AdminOptions::new())).unwrap();
        made.into_iter().next().unwrap().unwrap();
        self.wait_for_partitions(topic, partitions);
    }

    /// Deletes the messages of a partition before an offset.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .unwrap();
        wait(self.admin().delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// Writes bodies to a partition, in order, and waits until they are stored.
    pub fn produce<B: AsRef<[u8]>>(&self, topic: &str, partition: i32, bodies: &[Option<B>]) {
        let producer: BaseProducer = self.config().create().unwrap();
        send(&producer, topic, partition, bodies);
        producer.flush(PATIENCE).unwrap();
    }

    /// Writes bodies in a transaction, which is then committed or aborted.
    pub fn transact<B: AsRef<[u8]>>(
        &self,
        topic: &str,
        partition: i32,
        bodies: &[Option<B>],
        commits: bool,
    ) {
        let producer: BaseProducer = self
            .config()
            .set("transactional.id", format!("test-{topic}"))
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, topic, partition, bodies);
        producer.flush(PATIENCE).unwrap();
        if commits {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }

    /// All messages of a topic, by partition.
    pub fn consume_all(&self, topic: &str) -> Vec<Consumed> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let partitions = self.partitions(&consumer, topic);
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition as i32, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut ends = 0;
        let mut all = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while ends < partitions {
            assert!(Instant::now() < deadline, "reading '{topic}' took too long");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => all.push(consumed(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
                Some(Err(error)) => panic!("reading '{topic}' failed: {error}"),
                None => {}
            }
        }
        all.sort_by_key(|message| (message.partition, message.offset));
        all
    }

    fn wait_for_partitions(&self, topic: &str, partitions: usize) {
        let consumer: BaseConsumer = self.config().create().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_led = |partition| {
                let marks = consumer.fetch_watermarks(topic, partition, Duration::from_secs(1));
                marks.is_ok()
            };
            let found = self.partitions(&consumer, topic);
            if found == partitions && (0..partitions as i32).all(is_led) {
                return;
            }
            let has_time = Instant::now() < deadline;
            assert!(
                has_time,
                "'{topic}' has {found} partitions, not {partitions}"
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn partitions(&self, consumer: &BaseConsumer, topic: &str) -> usize {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        let topics = metadata.topics();
        topics.first().map_or(0, |topic| topic.partitions().len())
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }
}

fn send<B: AsRef<[u8]>>(
    producer: &BaseProducer,
    topic: &str,
    partition: i32,
    bodies: &[Option<B>],
) {
    for body in bodies {
        let mut record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).partition(partition);
        if let Some(body) = body {
            record = record.payload(body.as_ref());
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
}

fn consumed(message: &impl Message) -> Consumed {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value.unwrap_or_default());
                (header.key.to_string(), value.into_owned())
            })
            .collect()
    });
    Consumed {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        body: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        time_ms: message.timestamp().to_millis(),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
