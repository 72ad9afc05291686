//! The topic, made where it is absent.
//!
//! Asks for all topics and not for one: asked for a single one, a broker may make it as it likes,
//! with another number of partitions and with the sender's clock in place of its own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;

use super::{KafkaOptions, KafkaTarget, TargetError, refused_option};

/// The settings of a topic for votes, whoever makes it. None is ever deleted, whatever the brokers
/// do with other topics, and a vote's time in the log is the broker's word, not the sender's.
pub const VOTES_TOPIC_CONFIG: [(&str, &str); 4] = [
    ("message.timestamp.type", "LogAppendTime"),
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
];

/// How long a cluster may take to make a topic and to tell all its brokers.
const MAKING_MAX: Duration = Duration::from_secs(30);

/// How long to wait before asking again whether a new topic is there.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Makes sure that the brokers can be reached and that the topic is there.
pub(super) fn make_if_absent(
    target: &KafkaTarget,
    config: &ClientConfig,
    options: &KafkaOptions,
) -> Result<(), TargetError> {
    if is_there(target, options)? {
        return Ok(());
    }
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(refused_option)?;
    let partitions = i32::try_from(options.partitions.max(1)).unwrap_or(i32::MAX);
    let topic = NewTopic::new(
        &target.address.topic,
        partitions,
        // As many copies as the cluster makes by default.
        TopicReplication::Fixed(-1),
    );
    let settings = VOTES_TOPIC_CONFIG.into_iter();
    let topic = settings.fold(topic, |topic, (key, value)| topic.set(key, value));
    let patience = AdminOptions::new()
        .request_timeout(Some(MAKING_MAX))
        .operation_timeout(Some(MAKING_MAX));
    let made = wait_for(admin.create_topics([&topic], &patience));
    match made.map(|results| results.into_iter().next()) {
        // Somebody else made it meanwhile.
        Ok(Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => {}
        Ok(Some(Err((_, code)))) => return Err(not_made(target, KafkaError::AdminOp(code))),
        Ok(None) => return Err(not_made(target, KafkaError::Canceled)),
        Err(error) => return Err(not_made(target, error)),
    }
    let started = Instant::now();
    while !is_there(target, options)? {
        if started.elapsed() > MAKING_MAX {
            let code = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(not_made(target, KafkaError::MetadataFetch(code)));
        }
        thread::sleep(ASK_AGAIN);
    }
    Ok(())
}

/// Whether the topic is there and all its partitions can be written to.
fn is_there(target: &KafkaTarget, options: &KafkaOptions) -> Result<bool, TargetError> {
    let client = target.producer.client();
    let metadata = client
        .fetch_metadata(None, options.patience_at_first)
        .map_err(|source| TargetError::KafkaUnreachable {
            address: target.address.to_string(),
            seconds: options.patience_at_first.as_secs(),
            problem: target.reports().problem(),
            source: Box::new(source),
        })?;
    let mut topics = metadata.topics().iter();
    let found = topics.find(|topic| topic.name() == target.address.topic);
    Ok(found.is_some_and(|topic| {
        let partitions = topic.partitions();
        !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0)
    }))
}

fn not_made(target: &KafkaTarget, source: KafkaError) -> TargetError {
    TargetError::KafkaTopic {
        address: target.address.to_string(),
        source: Box::new(source),
    }
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer of the admin client; one comes, by its time-out at the latest. No runtime
/// is needed, so this works on a plain thread as on one of a runtime.
pub fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut answer = pin!(answer);
    loop {
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
