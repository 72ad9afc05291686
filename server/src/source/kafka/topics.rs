//! Makes topics and gives them partitions.
//!
//! Names and numbers come in; a topic that the brokers have goes out. Never deletes one, and
//! never changes the settings of one that is there.

use std::thread;
use std::time::{Duration, Instant};

use ::producer::target::wait_for;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::probe::Probe;
use super::{KafkaSettings, options};
use crate::source::LogError;

/// How long making a topic may take on the broker's side.
const MAKING: Duration = Duration::from_secs(10);

/// How long the brokers may take until all know of it.
const KNOWING: Duration = Duration::from_secs(15);

/// How often they are asked whether they do.
const ASKING: Duration = Duration::from_millis(50);

/// Makes a topic and waits until the brokers know it. That it was made meanwhile is no error.
pub(super) fn make(
    settings: &KafkaSettings,
    probe: &Probe,
    topic: &str,
    partitions: u32,
    config: &[(&str, &str)],
) -> Result<(), LogError> {
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    // -1: as many replicas as the brokers are set to.
    let mut new = NewTopic::new(topic, count, TopicReplication::Fixed(-1));
    for (key, value) in config {
        new = new.set(key, value);
    }
    let admin = admin(settings)?;
    let options = AdminOptions::new()
        .request_timeout(Some(MAKING))
        .operation_timeout(Some(MAKING));
    let made = wait_for(admin.create_topics([&new], &options));
    let made = made.map_err(|error| not_made(topic, error.to_string()))?;
    match made.into_iter().next() {
        Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
            return Err(not_made(topic, code.to_string()));
        }
        _ => tracing::info!(topic, partitions, "made a kafka topic"),
    }
    known(probe, topic, 1)
}

/// Gives a topic more partitions and waits until the brokers know them.
pub(super) fn widen(
    settings: &KafkaSettings,
    probe: &Probe,
    topic: &str,
    partitions: u32,
) -> Result<(), LogError> {
    let new = NewPartitions::new(topic, partitions as usize);
    let admin = admin(settings)?;
    let options = AdminOptions::new()
        .request_timeout(Some(MAKING))
        .operation_timeout(Some(MAKING));
    let widened = wait_for(admin.create_partitions([&new], &options));
    let widened = widened.map_err(|error| not_made(topic, error.to_string()))?;
    if let Some(Err((_, code))) = widened.into_iter().next() {
        return Err(not_made(topic, code.to_string()));
    }
    tracing::info!(topic, partitions, "gave a kafka topic more partitions");
    known(probe, topic, partitions)
}

fn admin(settings: &KafkaSettings) -> Result<AdminClient<DefaultClientContext>, LogError> {
    options::probe(settings)
        .create()
        .map_err(|error| options::not_made(settings, &error))
}

/// Waits until the brokers know of so many partitions, each with a leader.
fn known(probe: &Probe, topic: &str, partitions: u32) -> Result<(), LogError> {
    let deadline = Instant::now() + KNOWING;
    loop {
        let found = probe.partitions(topic).and_then(|found| {
            probe.offsets(topic, found, rdkafka::Offset::End)?;
            Ok(found)
        });
        match found {
            Ok(found) if found >= partitions => return Ok(()),
            Ok(_) | Err(LogError::KafkaNoTopic { .. } | LogError::KafkaAway { .. })
                if Instant::now() < deadline => {}
            Ok(found) => {
                let why = format!("the brokers know of {found} of its {partitions} partitions");
                return Err(not_made(topic, why));
            }
            Err(error) => return Err(error),
        }
        thread::park_timeout(ASKING);
    }
}

fn not_made(topic: &str, why: String) -> LogError {
    LogError::KafkaNotMade {
        topic: topic.to_string(),
        why,
    }
}
