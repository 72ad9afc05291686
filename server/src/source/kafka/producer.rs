//! A producer, and the thread that brings the brokers' answers to whom they are for.
//!
//! The binding has such a thread, too, but looks ten times a second whether it shall end and
//! spins for the last part of a millisecond each time, which is a hundredth of a core for nothing.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::util::IntoOpaque;

use super::probe::say;
use super::{KafkaSettings, options};
use crate::source::LogError;

/// How often the thread looks whether it shall end. Answers are brought as they come.
const LOOK: Duration = Duration::from_secs(2);

/// How long looking at a topic may take.
const LEARNING: Duration = Duration::from_secs(1);

/// What goes with a message, and hears what became of it on the producer's thread.
pub(super) trait Answered: IntoOpaque + Send + Sync + 'static {
    fn answer(self, result: &DeliveryResult<'_>);
}

/// Brings the brokers' answers.
pub(super) struct Answers<A>(PhantomData<fn(A)>);

impl<A> ClientContext for Answers<A> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        say(level, facility, words);
    }

    fn error(&self, _error: KafkaError, words: &str) {
        tracing::debug!("kafka: {words}");
    }
}

impl<A: Answered> ProducerContext for Answers<A> {
    type DeliveryOpaque = A;

    fn delivery(&self, result: &DeliveryResult<'_>, answered: A) {
        answered.answer(result);
    }
}

/// A producer; when it is dropped, its thread drops what is on its way and ends.
pub(super) struct Served<A: Answered> {
    producer: Arc<BaseProducer<Answers<A>>>,
    is_dropped: Arc<AtomicBool>,
}

impl<A: Answered> Served<A> {
    /// Makes the producer and starts its thread.
    pub(super) fn start(
        settings: &KafkaSettings,
        config: &ClientConfig,
    ) -> Result<Served<A>, LogError> {
        let producer: BaseProducer<Answers<A>> =
            config
                .create_with_context(Answers(PhantomData))
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
    pub(super) fn get(&self) -> &BaseProducer<Answers<A>> {
        &self.producer
    }
}

impl<A: Answered> Drop for Served<A> {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Release);
    }
}
