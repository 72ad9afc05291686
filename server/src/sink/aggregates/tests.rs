//! The sink against a real broker: what a reader of the topics finds in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dataflow::register::Register;
use dataflow::view::Publication;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use super::super::status::SinkState;
use super::rows::Topic;
use super::{AggregateError, AggregateSettings, start};
use crate::publish::Publisher;
use crate::sink::Follower;
use crate::sink::scene::{register, ticks, vote};
use crate::warnings::Warnings;
use broker::Broker;

use crate::broker;

/// A broker of a busy machine is up within this, and everything else much sooner.
const DEADLINE: Duration = Duration::from_secs(90);

/// A topic's last value of each key, and how many messages it has.
#[derive(Debug, Default, PartialEq)]
struct Table {
    rows: BTreeMap<String, Value>,
    messages: usize,
}

/// A publisher of ticks that are made beforehand, and the sink that follows it.
struct Stage {
    address: String,
    publisher: Publisher,
    warnings: Warnings,
    ticks: std::vec::IntoIter<Publication>,
}

impl Stage {
    fn new(broker: &Broker, steps: Vec<(Option<Register>, Vec<Vec<u8>>)>) -> Stage {
        Stage {
            address: broker.address().to_string(),
            publisher: Publisher::default(),
            warnings: Warnings::default(),
            ticks: ticks(steps).into_iter(),
        }
    }

    fn publish(&mut self) -> u64 {
        let tick = self.ticks.next().expect("there is another tick");
        let number = tick.snapshot.tick();
        self.publisher.publish(tick);
        number
    }

    fn settings(&self) -> AggregateSettings {
        AggregateSettings {
            bootstrap: self.address.clone(),
            options: Vec::new(),
            create_topics: true,
            warnings: self.warnings.clone(),
        }
    }

    fn start(&self) -> Follower {
        let started = start(self.settings(), self.publisher.clone());
        started.expect("the options are sound")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a client can be made")
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    /// Reads a topic from its beginning to its end.
    fn read(&self, topic: Topic) -> Table {
        let mut config = self.client();
        config.set("group.id", "readers");
        config.set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().expect("a client can be made");
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic.name(), 0, Offset::Beginning)
            .expect("it is an offset");
        consumer.assign(&from).expect("it can be read");
        let mut table = Table::default();
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < DEADLINE, "the topic has no end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => table.apply(&message),
                Some(Err(KafkaError::PartitionEOF(_))) => return table,
                Some(Err(_)) | None => {}
            }
        }
    }

    /// Both topics hold what the newest tick says, and nothing else.
    fn check(&self) {
        let tick = self.publisher.current().expect("a tick is published");
        let snapshot = tick.snapshot();
        let contests = snapshot.contest_ids();
        let rows = contests
            .iter()
            .flat_map(|contest| super::rows::all(snapshot, contest).expect("the contest is there"));
        let mut expected: BTreeMap<Topic, BTreeMap<String, Value>> = BTreeMap::new();
        for row in rows {
            let value: Value = serde_json::from_slice(&row.value).expect("it is JSON");
            let key = String::from_utf8(row.key.into()).expect("it is text");
            expected.entry(row.topic).or_default().insert(key, value);
        }
        for (topic, mut rows) in expected {
            let mut found = self.read(topic).rows;
            // A row that has not changed since keeps the tick of its writing.
            for row in rows.values_mut().chain(found.values_mut()) {
                let tick = row["tick"].take();
                assert!(
                    tick.as_u64().is_some_and(|tick| tick <= snapshot.tick()),
                    "{row}"
                );
            }
            assert_eq!(found, rows);
        }
    }
}

impl Table {
    fn apply(&mut self, message: &impl Message) {
        let key = message.key().expect("every message has a key");
        let key = String::from_utf8(key.to_vec()).expect("keys are text");
        self.messages += 1;
        match message.payload() {
            Some(value) => {
                let value = serde_json::from_slice(value).unwrap_or(Value::Null);
                self.rows.insert(key, value);
            }
            None => drop(self.rows.remove(&key)),
        }
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "not so in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn until_written(sink: &Follower, tick: u64) {
    until("the tick is written", || {
        sink.account().status().tick == Some(tick)
    });
}

/// Three ticks in which something changes each time.
fn evening() -> Vec<(Option<Register>, Vec<Vec<u8>>)> {
    vec![
        (Some(register()), vec![vote("v1", "ana", "n1")]),
        (None, vec![vote("v2", "ben", "n2")]),
        (None, vec![vote("v3", "ben", "n2")]),
    ]
}

#[test]
fn rows_are_written_followed_and_taken_over_by_the_next_start() {
    let broker = Broker::start();
    let mut stage = Stage::new(&broker, evening());
    let sink = stage.start();
    let tick = stage.publish();
    // Published but still catching up: nobody may see it yet.
    assert_eq!(sink.account().status().state, SinkState::Waiting);
    stage.publisher.set_ready();
    until_written(&sink, tick);
    stage.check();
    let status = sink.account().status();
    assert_eq!((status.state, status.rows_written), (SinkState::Ok, 10));
    assert_eq!((status.lag_ms, status.last_error), (Some(0), None));
    let tick = stage.publish();
    until_written(&sink, tick);
    stage.check();
    assert_eq!(sink.account().status().rows_written, 13);
    // The last round has what was published just before the end.
    stage.publish();
    let account = sink.account();
    sink.end();
    assert_eq!(account.status().lag_ms, Some(0));
    stage.check();

    // The next start finds rows that are none any more.
    let candidates = stage.read(Topic::Candidates).messages;
    let mut smaller = register();
    smaller.candidates.retain(|row| row.candidate_id != "50%");
    let mut stage = Stage::new(&broker, vec![(Some(smaller), Vec::new())]);
    stage.publisher.set_ready();
    let tick = stage.publish();
    let sink = stage.start();
    until_written(&sink, tick);
    stage.check();
    let table = stage.read(Topic::Candidates);
    // Three rows and one removal.
    assert_eq!((table.rows.len(), table.messages), (3, candidates + 4));
    sink.end();

    let policies = compaction(&stage);
    assert_eq!(policies, ["compact", "compact"]);
}

fn compaction(stage: &Stage) -> Vec<String> {
    let topics = Topic::ALL.map(|topic| ResourceSpecifier::Topic(topic.name()));
    let admin = stage.admin();
    let described = block_on(admin.describe_configs(&topics, &AdminOptions::new()));
    let described = described.expect("the broker answers");
    let policy = |config: rdkafka::admin::ConfigResource| {
        let entry = config.get("cleanup.policy").expect("it has a policy");
        entry.value.clone().expect("the policy is said")
    };
    let configs = described
        .into_iter()
        .map(|config| config.expect("the topic is there"));
    configs.map(policy).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime can be made").block_on(future)
}

#[test]
fn a_broker_that_was_away_gets_the_latest_of_each_row() {
    let mut broker = Broker::start();
    let mut stage = Stage::new(&broker, evening());
    stage.publisher.set_ready();
    let sink = stage.start();
    let tick = stage.publish();
    until_written(&sink, tick);
    broker.kill();
    stage.publish();
    let tick = stage.publish();
    until("the failure shows", || {
        sink.account().status().state == SinkState::Failing
    });
    let status = sink.account().status();
    assert!(
        status.last_error.is_some() && status.lag_ms == Some(20),
        "{status:?}"
    );
    broker.start_again();
    until_written(&sink, tick);
    assert_eq!(sink.account().status().state, SinkState::Ok);
    stage.check();
    sink.end();
}

#[test]
fn a_topic_that_was_deleted_is_made_and_written_anew() {
    let broker = Broker::start();
    let mut stage = Stage::new(&broker, evening());
    stage.publisher.set_ready();
    let sink = stage.start();
    let tick = stage.publish();
    until_written(&sink, tick);
    broker.delete_topic(Topic::Turnout.name());
    let tick = stage.publish();
    until_written(&sink, tick);
    stage.check();
    // All rows twice: nobody knows which of the second round were stored.
    assert_eq!(sink.account().status().rows_written, 20);
    sink.end();
}

#[test]
fn foreign_values_and_removals_in_a_topic_that_was_there_are_put_right() {
    let broker = Broker::start();
    let mut stage = Stage::new(&broker, evening());
    let topic = Topic::Turnout.name();
    broker.create_topic(topic, 3, &[("cleanup.policy", "compact")]);
    broker.create_topic(Topic::Candidates.name(), 1, &[("cleanup.policy", "delete")]);
    let mut config = stage.client();
    config.set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create().expect("a client can be made");
    for key in ["chair/n1", "chair/nowhere", "other/n1"] {
        let record = BaseRecord::to(topic).key(key).payload("something");
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("it is taken");
    }
    producer.flush(DEADLINE).expect("it is stored");
    stage.publisher.set_ready();
    let tick = stage.publish();
    let sink = stage.start();
    until_written(&sink, tick);
    // Six rows, four of candidates, and two removals.
    assert_eq!(sink.account().status().rows_written, 12);
    // The other grows with every change.
    let warnings = stage.warnings.list();
    let said: Vec<_> = warnings.iter().map(|it| (it.code, &it.message)).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, "aggregates_not_compacted");
    assert!(said[0].1.contains(Topic::Candidates.name()), "{said:?}");
    assert!(!said[0].1.contains(topic), "{said:?}");
    sink.end();
}

#[test]
fn what_keeps_it_from_writing_is_said_and_it_ends_all_the_same() {
    let broker = Broker::start();
    let mut stage = Stage::new(&broker, evening());
    stage.publisher.set_ready();
    stage.publish();
    let settings = AggregateSettings {
        create_topics: false,
        ..stage.settings()
    };
    let sink = start(settings, stage.publisher.clone());
    let sink = sink.expect("the options are sound");
    until("the failure shows", || {
        sink.account().status().state == SinkState::Failing
    });
    let said = sink.account().status().last_error.expect("a reason").full;
    assert!(said.contains("cleanup.policy=compact"), "{said}");
    let started = Instant::now();
    sink.end();
    assert!(started.elapsed() < Duration::from_secs(10));

    let settings = AggregateSettings {
        options: vec![("no.such.option".to_string(), "1".to_string())],
        ..stage.settings()
    };
    let refused = start(settings, stage.publisher.clone());
    assert!(matches!(refused, Err(AggregateError::Option { .. })));
}

#[test]
fn a_broker_that_never_was_there_does_not_hold_up_the_end() {
    let publisher = Publisher::default();
    publisher.set_ready();
    let first = ticks(evening())
        .into_iter()
        .next()
        .expect("there is a tick");
    publisher.publish(first);
    let settings = AggregateSettings {
        // A port that nothing listens on: it is bound and given back.
        bootstrap: std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("loopback has a free port")
            .to_string(),
        options: Vec::new(),
        create_topics: true,
        warnings: Warnings::default(),
    };
    let sink = start(settings, publisher).expect("the options are sound");
    until("the failure shows", || {
        sink.account().status().state == SinkState::Failing
    });
    let said = sink.account().status().last_error.expect("a reason").full;
    assert!(
        said.contains("check that it runs") && said.contains("refused"),
        "{said}"
    );
    let started = Instant::now();
    sink.end();
    assert!(started.elapsed() < Duration::from_secs(10));
}
