//! The Kafka target against a real broker: what is in the topic afterwards.

mod recount;

#[path = "../../server/tests/broker/mod.rs"]
#[allow(unused_imports)]
mod broker;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::process::Command;
use std::time::{Duration, Instant};

use broker::Broker;
use producer::election::Simulation;
use producer::target::{KafkaAddress, KafkaOptions, KafkaTarget, VOTES_TOPIC_CONFIG};
use producer::{Delivery, Election, Options, Rate, Replay, Shares, TargetError, deliver};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, Timestamp};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use recount::recount;

const SHARES: Shares = Shares {
    duplicates: 0.05,
    revotes: 0.05,
    voids: 0.05,
    late: 0.05,
    malformed: 0.01,
};

/// A broker of a busy machine answers within this.
const DEADLINE: Duration = Duration::from_secs(90);

fn election() -> Election {
    let simulation = Simulation {
        voters: 20_000,
        candidates: 4,
        locations: 6,
        seed: 1,
    };
    Election::simulated(simulation).expect("it is sound")
}

fn replay() -> Replay {
    let options = Options {
        shares: SHARES,
        ..Options::default()
    };
    Replay::new(&election(), &options).expect("the shares fit")
}

fn address(bootstrap: &str, topic: &str) -> KafkaAddress {
    format!("{bootstrap}/{topic}")
        .parse()
        .expect("it is an address")
}

fn send(
    replay: &mut Replay,
    address: &KafkaAddress,
    options: &KafkaOptions,
) -> Result<Delivery, TargetError> {
    let mut target = KafkaTarget::connect(address, options)?;
    deliver(replay, &mut target, Rate::Max, &mut |_| {
        ControlFlow::Continue(())
    })
}

/// A topic from its beginning to its end, by partition.
#[derive(Default)]
struct Log {
    messages: Vec<Vec<u8>>,
    partitions_by_key: BTreeMap<Vec<u8>, i32>,
    by_partition: BTreeMap<i32, usize>,
    /// Messages whose time is not the broker's.
    timed_by_sender: usize,
}

impl Log {
    fn read(address: &KafkaAddress) -> Log {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &address.bootstrap)
            .set("group.id", "readers")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().expect("a client can be made");
        let metadata = consumer
            .fetch_metadata(None, DEADLINE)
            .expect("the broker answers");
        let mut topics = metadata.topics().iter();
        let topic = topics.find(|topic| topic.name() == address.topic);
        let partitions = topic.expect("the topic is there").partitions();
        let mut from = TopicPartitionList::new();
        for partition in partitions {
            from.add_partition_offset(&address.topic, partition.id(), Offset::Beginning)
                .expect("it is an offset");
        }
        consumer.assign(&from).expect("it can be read");
        let mut log = Log::default();
        let mut unread = partitions.len();
        let started = Instant::now();
        while unread > 0 {
            assert!(started.elapsed() < DEADLINE, "the topic has no end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => log.add(&message),
                Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
                Some(Err(_)) | None => {}
            }
        }
        log
    }

    fn add(&mut self, message: &impl Message) {
        let (key, bytes) = (message.key(), message.payload());
        let key = key.expect("every message has a key").to_vec();
        self.messages
            .push(bytes.expect("every message has a body").to_vec());
        let partition = message.partition();
        let before = self.partitions_by_key.insert(key, partition);
        assert!(
            before.is_none_or(|before| before == partition),
            "a voter has two partitions"
        );
        *self.by_partition.entry(partition).or_default() += 1;
        let is_brokers = matches!(message.timestamp(), Timestamp::LogAppendTime(_));
        self.timed_by_sender += usize::from(!is_brokers);
    }
}

#[test]
fn all_is_stored_by_voter_in_a_topic_that_is_made() {
    let broker = Broker::start();
    let address = address(&broker.address().to_string(), "votes");
    let options = KafkaOptions {
        partitions: 3,
        ..KafkaOptions::default()
    };
    let mut first = replay();
    let delivery = send(&mut first, &address, &options).expect("the broker takes all");
    let log = Log::read(&address);
    let expected = first.expected().clone().after(&delivery);
    let found = recount(
        log.messages.iter().map(Vec::as_slice),
        &election().register(),
    );
    assert_eq!(delivery.stored, found.messages);
    // A server has to refuse malformed messages here, so they are among those expected.
    assert!(expected.totals.refused.values().sum::<u64>() > 0);
    assert_eq!(found.refused, expected.totals.refused);
    assert_eq!(found.messages, expected.totals.messages);
    assert_eq!(found.duplicates, expected.totals.duplicates);
    assert_eq!(found.accepted, expected.totals.counts.accepted);
    assert_eq!(found.superseded, expected.totals.counts.superseded);
    assert_eq!(found.voided, expected.totals.counts.voided);
    let each: Vec<usize> = log.by_partition.values().copied().collect();
    assert_eq!(each.len(), 3);
    assert!(
        each.iter()
            .all(|messages| *messages > log.messages.len() / 4),
        "{each:?}"
    );
    assert_eq!(log.timed_by_sender, 0);
    // And no vote is ever deleted, whatever the brokers do with other topics.
    let set = broker.topic_settings(&address.topic);
    assert_eq!(set["retention.ms"], "-1");
    let set: Vec<_> = set.iter().map(|(key, value)| (&**key, &**value)).collect();
    let mut expected_set = VOTES_TOPIC_CONFIG;
    expected_set.sort_unstable();
    assert_eq!(set, expected_set);

    // A run that broke off, and the same again: what was there is a copy now, nothing else.
    let mut part = replay();
    let half = part.messages_total() / 2;
    let mut target = KafkaTarget::connect(&address, &options).expect("the broker is there");
    let sent = deliver(&mut part, &mut target, Rate::Max, &mut |position| {
        if position < half {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let again = sent.expect("the broker takes the half").stored;
    assert!(again >= half && again < part.messages_total());
    let log = Log::read(&address);
    let found = recount(
        log.messages.iter().map(Vec::as_slice),
        &election().register(),
    );
    assert_eq!(found.messages, expected.totals.messages + again);
    assert_eq!(found.accepted, expected.totals.counts.accepted);
    assert_eq!(found.received, expected.totals.received);
}

#[test]
fn a_broker_that_is_away_for_good_ends_it_with_an_error() {
    let mut broker = Broker::start();
    let address = address(&broker.address().to_string(), "votes");
    let options = KafkaOptions {
        patience: Duration::from_millis(1500),
        patience_at_first: Duration::from_millis(1500),
        ..KafkaOptions::default()
    };
    let mut target = KafkaTarget::connect(&address, &options).expect("the broker is there");
    broker.kill();
    let mut half = replay();
    let sent = deliver(&mut half, &mut target, Rate::Max, &mut |_| {
        ControlFlow::Continue(())
    });
    let said = sent.expect_err("nobody takes it").to_string();
    assert!(said.contains("0 are known to be there"), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    let refused = KafkaTarget::connect(&address, &options).expect_err("nobody is there");
    assert!(
        matches!(refused, TargetError::KafkaUnreachable { .. }),
        "{refused:?}"
    );
    broker.start_again();
    let delivery = send(&mut replay(), &address, &KafkaOptions::default());
    let delivery = delivery.expect("the broker is back");
    assert_eq!(delivery.stored, Log::read(&address).messages.len() as u64);
}

#[test]
fn a_pause_of_the_broker_loses_and_doubles_nothing() {
    let mut broker = Broker::start();
    let address = address(&broker.address().to_string(), "votes");
    let mut target = KafkaTarget::connect(&address, &KafkaOptions::default());
    let target = target.as_mut().expect("the broker is there");
    let mut replay = replay();
    let half = replay.messages_total() / 2;
    let mut is_killed = false;
    let sent = deliver(&mut replay, target, Rate::Max, &mut |position| {
        if position > half && !is_killed {
            is_killed = true;
            broker.kill();
            broker.start_again();
        }
        ControlFlow::Continue(())
    });
    assert!(is_killed);
    let stored = sent.expect("the broker is back in time").stored;
    assert_eq!(stored, replay.messages_total());
    assert_eq!(Log::read(&address).messages.len() as u64, stored);
}

#[test]
fn the_command_sends_and_says_what_must_come_out() {
    let broker = Broker::start();
    let to = format!("kafka://{}/votes", broker.address());
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
        let size = [
            "simulate",
            "--voters",
            "1000",
            "--malformed",
            "0.1",
            "--to",
            &to,
        ];
        command.args(size).args(more);
        command.output().expect("the command can be run")
    };
    let output = run(&["--partitions", "2", "--kafka-option", "client.id=test"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    // 100 malformed messages are stored, and refused by whoever reads them.
    assert!(printed.contains("sent 1,100 messages"), "{printed}");
    let log = Log::read(&address(&broker.address().to_string(), "votes"));
    assert_eq!((log.messages.len(), log.by_partition.len()), (1100, 2));
    for (option, words) in [
        ("acks=1", "acks=all"),
        ("sasl.pasword=hunter2", "sasl.pasword"),
        ("hunter2", "NAME=VALUE"),
        ("security.protocol=hunter2", "security.protocol"),
    ] {
        let output = run(&["--kafka-option", option]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(words),
            "{option}: {said}"
        );
    }
}

#[test]
fn where_no_broker_is_patience_ends() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = nobody.expect("loopback has a free port").to_string();
    let options = KafkaOptions {
        patience_at_first: Duration::from_millis(500),
        ..KafkaOptions::default()
    };
    let refused = send(&mut replay(), &address(&nobody, "votes"), &options);
    let said = refused.expect_err("nobody is there").to_string();
    assert!(said.contains("check that a broker runs there"), "{said}");
}
