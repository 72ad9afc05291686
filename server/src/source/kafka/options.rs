//! What the Kafka clients are told: the laws, which nobody may change, and the speed, which one may.
//!
//! Settings come in; configurations of consumers and producers go out. An option that would break
//! a law is refused by name and with the reason. No value of an option ever shows: it may be a
//! password.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::KafkaSettings;
use crate::source::LogError;

/// Options that are ours alone, and why.
const OURS: [(&str, &str); 24] = [
    ("acks", "a vote is acknowledged once all replicas have it"),
    (
        "request.required.acks",
        "a vote is acknowledged once all replicas have it",
    ),
    (
        "allow.auto.create.topics",
        "a topic is made with the settings that counting needs, or not at all",
    ),
    (
        "auto.offset.reset",
        "an offset that is gone must be an error, never a jump over votes",
    ),
    ("bootstrap.servers", "name the brokers with --kafka"),
    ("metadata.broker.list", "name the brokers with --kafka"),
    ("check.crcs", "a damaged message must be an error"),
    (
        "delivery.timeout.ms",
        "how long a write is tried decides what its answer says",
    ),
    (
        "message.timeout.ms",
        "how long a write is tried decides what its answer says",
    ),
    (
        "enable.auto.commit",
        "offsets are kept with the counts, not by Kafka",
    ),
    (
        "enable.auto.offset.store",
        "offsets are kept with the counts, not by Kafka",
    ),
    (
        "enable.idempotence",
        "without it a write that is tried again may change the order",
    ),
    (
        "enable.partition.eof",
        "the end of a partition says when a start has caught up",
    ),
    (
        "group.id",
        "partitions are assigned to workers and no consumer group is joined",
    ),
    (
        "group.instance.id",
        "partitions are assigned to workers and no consumer group is joined",
    ),
    (
        "group.protocol",
        "partitions are assigned to workers and no consumer group is joined",
    ),
    (
        "isolation.level",
        "votes of an aborted transaction must never count",
    ),
    ("log.queue", "the clients' log goes to this service's log"),
    (
        "message.max.bytes",
        "the topic's own max.message.bytes decides",
    ),
    (
        "partitioner",
        "keys must go to the partitions where other producers put them",
    ),
    (
        "queue.buffering.max.kbytes",
        "what waits to be written is bounded before it reaches the client",
    ),
    (
        "queue.buffering.max.messages",
        "what waits to be written is bounded before it reaches the client",
    ),
    (
        "transactional.id",
        "the order of writes is kept without transactions",
    ),
    ("topic.blacklist", "the topic is named with --topic"),
];

/// The most KiB of messages that all readers of the process keep fetched. More only costs page
/// faults.
const FETCHED_KIB_MAX: usize = 65_536;

/// The least of one reader, so that one with few partitions of many still has a batch or two.
const FETCHED_KIB_MIN: usize = 8_192;

/// The most messages that wait in a producer, above what is let in: the permits are the limit.
const WAITING_MESSAGES_MAX: &str = "1000000";
/// The same in KiB.
const WAITING_KIB_MAX: &str = "262144";

/// The largest message that a producer tries. The topic's own limit is lower, and it decides.
pub(super) const TRIED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most bytes that a producer puts together. A message over it travels alone, so that one
/// which the broker finds too large takes no other with it.
pub(super) const TOGETHER_BYTES_MAX: usize = 256 * 1024;

/// Refuses the options that cannot be used.
pub(super) fn check(settings: &KafkaSettings) -> Result<(), LogError> {
    for (option, value) in &settings.options {
        let ours = OURS.iter().find(|(name, _)| name == option);
        if let Some((_, why)) = ours {
            return Err(refused(option, (*why).to_string()));
        }
        if !cfg!(feature = "tls") && needs_tls(option, value) {
            return Err(LogError::KafkaNoTls {
                option: option.clone(),
            });
        }
        let mut config = ClientConfig::new();
        config.set(option, value);
        if let Err(error) = config.create_native_config() {
            return Err(not_taken(option, &error));
        }
    }
    Ok(())
}

/// An error from making a client, in which nothing of a value shows.
pub(super) fn not_made(settings: &KafkaSettings, error: &KafkaError) -> LogError {
    match error {
        KafkaError::ClientConfig(_, _, option, _) => not_taken(option, error),
        KafkaError::ClientCreation(why) => {
            let secret = settings.options.iter().any(|(option, value)| {
                is_secret(option) && !value.is_empty() && why.contains(value.as_str())
            });
            let why = if secret { "it is not valid" } else { why };
            LogError::KafkaClient {
                why: why.to_string(),
            }
        }
        other => LogError::KafkaClient {
            why: other.to_string(),
        },
    }
}

/// Asks about topics and offsets.
pub(super) fn probe(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(settings);
    config.set("isolation.level", "read_committed");
    config
}

/// Reads the topic: `share` of all partitions is this reader's.
pub(super) fn reader(settings: &KafkaSettings, share: f64) -> ClientConfig {
    let fetched_kib = (FETCHED_KIB_MAX as f64 * share) as usize;
    let fetched_kib = fetched_kib.clamp(FETCHED_KIB_MIN, FETCHED_KIB_MAX);
    let mut config = common(settings);
    set_unless_given(
        &mut config,
        settings,
        &[
            ("queued.max.messages.kbytes", &fetched_kib.to_string()),
            // With a full queue the default waits a second, in which it runs empty.
            ("fetch.queue.backoff.ms", "5"),
            // The broker answers as soon as there is a message; this long it holds back the news that
            // there is none, which only a start waits for. Shorter costs processor time while idle.
            ("fetch.wait.max.ms", "100"),
            ("fetch.error.backoff.ms", "100"),
            ("fetch.message.max.bytes", "4194304"),
        ],
    );
    config
        .set("group.id", "tallyflow")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        // By hardware it is some percent of the reading, and a wrong count costs more.
        .set("check.crcs", "true")
        // The one that asks about topics has the same to say, once for all readers.
        .set_log_level(RDKafkaLogLevel::Emerg);
    config
}

/// Looks at the end of the topic of refused messages.
pub(super) fn tail(settings: &KafkaSettings) -> ClientConfig {
    let mut config = reader(settings, 0.0);
    // What is there counts as there; no transaction of somebody else may hide it.
    config.set("isolation.level", "read_uncommitted");
    config
}

/// Writes. `timeout_ms` is how long a message is tried; 0: for ever.
pub(super) fn producer(settings: &KafkaSettings, timeout_ms: u32) -> ClientConfig {
    let mut config = common(settings);
    set_unless_given(
        &mut config,
        settings,
        &[
            ("compression.type", "lz4"),
            ("linger.ms", "2"),
            ("batch.size", &TOGETHER_BYTES_MAX.to_string()),
            // A message that cannot be sent is tried again this often, and no longer than its timeout.
            ("retry.backoff.max.ms", "1000"),
        ],
    );
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", timeout_ms.to_string())
        .set("message.max.bytes", TRIED_BYTES_MAX.to_string())
        .set("queue.buffering.max.messages", WAITING_MESSAGES_MAX)
        .set("queue.buffering.max.kbytes", WAITING_KIB_MAX);
    config
}

/// What all clients share.
fn common(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("client.id", "tallyflow")
        // Brokers that come back are found within a second, not ten.
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true")
        .set("log.connection.close", "false");
    for (option, value) in &settings.options {
        config.set(option, value);
    }
    config.set("bootstrap.servers", &settings.bootstrap);
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

fn set_unless_given(config: &mut ClientConfig, settings: &KafkaSettings, values: &[(&str, &str)]) {
    for (option, value) in values {
        if !settings.options.iter().any(|(given, _)| given == option) {
            config.set(*option, *value);
        }
    }
}

fn needs_tls(option: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match option {
        "security.protocol" => value == "ssl" || value == "sasl_ssl",
        "sasl.mechanism" | "sasl.mechanisms" => {
            value.starts_with("scram") || value == "oauthbearer"
        }
        _ => option.starts_with("ssl."),
    }
}

fn is_secret(option: &str) -> bool {
    ["password", "secret", "token", "pem", "oauthbearer", "key"]
        .iter()
        .any(|part| option.contains(part))
}

fn not_taken(option: &str, error: &KafkaError) -> LogError {
    let why = match error {
        KafkaError::ClientConfig(_, why, _, _) if why.starts_with("No such") => {
            "there is no such option; they are those of librdkafka".to_string()
        }
        _ => "its value is not one that librdkafka takes".to_string(),
    };
    refused(option, why)
}

fn refused(option: &str, why: String) -> LogError {
    LogError::KafkaOption {
        option: option.to_string(),
        why,
    }
}
