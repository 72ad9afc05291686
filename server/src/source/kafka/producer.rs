//! A producer, and the thread that brings the brokers' answers to its context.
//!
//! The binding has such a thread, too, but looks ten times a second whether it shall end and
//! spins for the last part of a millisecond each time, which is a hundredth of a core for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::{KafkaSettings, options};
use crate::source::LogError;

/// How often the thread looks whether it shall end. Answers are brought as they come.
const LOOK: Duration = Duration::from_secs(2);

/// How long looking at a topic may take.
const LEARNING: Duration = Duration::from_secs(1);

/// A producer; when it is dropped, its thread drops what is on its way and ends.
pub(super) struct Served<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    is_dropped: Arc<AtomicBool>,
}

impl<C: ProducerContext + 'static> Served<C> {
    /// Makes the producer and starts its thread.
    pub(super) fn start(
        settings: &KafkaSettings,
        config: &ClientConfig,
        context: C,
    ) -> Result<Served<C>, LogError> {
        let producer: BaseProducer<C> = config
            .create_with_context(context)
            .map_err(|error| options::not_made(settings, &error))?;
        let producer = Arc::new(producer);
        let is_dropped = Arc::new(AtomicBool::new(false));
        // The thread has its own hold, so that the producer ends there: that takes a while, and
        // whoever drops this may be a thread of a runtime.
        let (theirs, ends) = (Arc::clone(&producer), Arc::clone(&is_dropped));
        thread::Builder::new()
            .name("kafka-answers".to_string())
            .spawn(move || {
                while !ends.load(Ordering::Acquire) {
                    theirs.poll(LOOK);
                }
            })
            .map_err(|error| LogError::KafkaClient {
                why: format!("no thread could be started: {error}"),
            })?;
        Ok(Served {
            producer,
            is_dropped,
        })
    }

    /// Lets the client look at a topic anew: by itself it notices new partitions only after
    /// minutes.
    pub(super) fn learn(&self, topic: &str) {
        // One that fails is tried again with the next message.
        let _ = self.producer.client().fetch_metadata(Some(topic), LEARNING);
    }

    /// The producer.
    pub(super) fn get(&self) -> &BaseProducer<C> {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for Served<C> {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Release);
    }
}
