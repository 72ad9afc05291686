//! Keeps refused messages in a topic beside the source, `<topic>.refused`.
//!
//! Messages come from a worker in the order of their offsets; they go, unchanged, to the partition
//! of the same number, under their own key and time, with the headers `reason`, `detail`,
//! `source_topic`, `source_partition`, `source_offset` and `source_topic_id`. One that the broker
//! finds too large goes with an empty body, and without a long key, and the header `body_omitted`.
//!
//! Guaranteed: each once, in order, across crashes. An idempotent producer keeps the order, so
//! what is there of a source partition is all up to some offset; a start finds that offset at the
//! tail (`tail.rs`) and everything up to it is skipped. It is looked for by topic id, so a source
//! that was made again begins anew. What is on its way when this is dropped is dropped, too, and
//! is read again: whoever ends in peace waits until `unsafe_from` is empty.
//!
//! Non-guarantee: two services that read the same topic at once each keep what the other has not
//! kept yet, so some are there twice. The same may be so for what a killed process sent in its
//! last moment, if the broker stores it after the next process looked. Where the refused topic
//! loses messages (deleted, or by a retention that somebody has set), a recount keeps those after
//! the last one that is still there; with none, all of them. A message that somebody else puts
//! there with our headers counts as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::time::log_time_ms;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::types::RDKafkaErrorCode;

use super::super::clock::wall_ms;
use super::producer::Served;
use super::watch::Known;
use super::{options, topics};
use crate::source::{LogError, RefusedMessage, RefusedWriter, WaitingMessage};
use flight::{Alone, Flights, Parcel};

mod flight;
mod tail;

/// A message over this travels alone: the broker may find it too large, and what comes after it
/// must not be stored before that is known.
const ALONE_BYTES: usize = options::TOGETHER_BYTES_MAX / 2;

/// The most messages of one worker that are on their way, and their bytes.
const FLYING_MAX: usize = 50_000;
const FLYING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How far ahead of the clock a message's own time may be to be kept with it: brokers take none
/// that is an hour ahead.
const AHEAD_MS_MAX: i64 = 50 * 60 * 1000;

/// The longest key of a message that goes without its body.
const KEY_BYTES_MAX: usize = 1024;

type Client = Served<Box<Parcel>>;

/// What the workers of a process share: the producer, made when the first of them asks.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Option<Arc<Client>>>>);

/// One worker's way for refused messages.
pub(super) struct KafkaRefused {
    known: Arc<Known>,
    client: Arc<Client>,
    topic: String,
    source_topic_id: String,
    /// By source partition: the highest offset that is kept or on its way; -1 for none.
    last: BTreeMap<u32, i64>,
    flights: Arc<Flights>,
    /// A large message whose turn has not come, or whose outcome is not known.
    held: Option<Held>,
    shared: Shared,
}

/// A large message.
struct Held {
    message: WaitingMessage,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Others are on their way.
    Waiting,
    /// It is on its way.
    Whole,
    /// It was too large, and is to go without its body.
    Omitting,
    /// It is on its way without its body.
    Omitted,
}

impl KafkaRefused {
    /// Makes sure of the topic and finds what is kept already of these source partitions.
    pub(super) fn new(
        known: Arc<Known>,
        shared: &Shared,
        partitions: &[u32],
    ) -> Result<KafkaRefused, LogError> {
        let topic = format!("{}.refused", known.settings.topic);
        let source_topic_id = known.check_id()?;
        let client = shared.client(&known, &topic)?;
        let mut refused = KafkaRefused {
            known,
            client,
            topic,
            source_topic_id,
            last: BTreeMap::new(),
            flights: Arc::default(),
            held: None,
            shared: shared.clone(),
        };
        refused.find(partitions)?;
        Ok(refused)
    }

    /// Finds how far these source partitions are kept.
    fn find(&mut self, partitions: &[u32]) -> Result<(), LogError> {
        let search = tail::Search {
            known: &self.known,
            topic: &self.topic,
            source_topic_id: &self.source_topic_id,
        };
        self.last.extend(search.last_offsets(partitions)?);
        Ok(())
    }

    /// Brings a held message on its way, if it may go.
    fn advance(&mut self) -> Result<(), LogError> {
        if let Some(error) = self.flights.failure() {
            return Err(error);
        }
        loop {
            let Some(held) = &self.held else {
                return Ok(());
            };
            let next = match (held.stage, self.flights.alone()) {
                (Stage::Waiting, _) if self.flights.count() > 1 => return Ok(()),
                (Stage::Waiting, _) => Stage::Whole,
                (Stage::Whole, Alone::TooLarge) => Stage::Omitting,
                (Stage::Omitting, _) => Stage::Omitted,
                (Stage::Omitted, Alone::TooLarge) => return Err(self.too_small(held)),
                (_, Alone::Stored) => {
                    self.held = None;
                    return Ok(());
                }
                (_, Alone::Flying) => return Ok(()),
            };
            if next != Stage::Omitting {
                self.flights.begin_alone();
                match self.send(held.message.message(), true, next == Stage::Omitted) {
                    Ok(()) => {}
                    Err(Unsent::Full) => return Ok(()),
                    Err(Unsent::TooLarge) => self.flights.find_alone_too_large(),
                    Err(Unsent::Failed(error)) => return Err(error),
                }
            }
            if let Some(held) = &mut self.held {
                held.stage = next;
            }
        }
    }

    /// Hands a message to the client.
    fn send(&self, message: RefusedMessage<'_>, alone: bool, omits: bool) -> Result<(), Unsent> {
        let parcel = Box::new(Parcel {
            flights: Arc::clone(&self.flights),
            topic: self.topic.clone(),
            partition: message.partition,
            offset: message.record.offset,
            bytes: size(&message),
            alone,
        });
        let mut record: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(&self.topic, parcel)
                .partition(message.partition as i32)
                .headers(self.headers(message, omits));
        let refused = message.record;
        if let Some(key) = refused
            .key
            .filter(|key| !omits || key.len() <= KEY_BYTES_MAX)
        {
            record = record.key(key);
        }
        let time_ms = log_time_ms(refused.log_time_ms);
        if let Some(time_ms) = time_ms.filter(|ms| *ms <= wall_ms() + AHEAD_MS_MAX) {
            record = record.timestamp(time_ms);
        }
        if let Some(bytes) = refused.bytes {
            record = record.payload(if omits { &[] } else { bytes });
        }
        self.client
            .get()
            .send(record)
            .map_err(|(error, _)| match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => Unsent::Full,
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => Unsent::TooLarge,
                Some(RDKafkaErrorCode::UnknownPartition) => {
                    // It has just been added, and the client has not heard of it.
                    self.client.learn(&self.topic);
                    Unsent::Full
                }
                _ => Unsent::Failed(self.not_kept(&message, error.to_string())),
            })
    }

    fn headers(&self, message: RefusedMessage<'_>, omits: bool) -> OwnedHeaders {
        let partition = message.partition.to_string();
        let offset = message.record.offset.to_string();
        let pairs = [
            (tail::REASON, message.reason),
            (tail::DETAIL, message.detail),
            (tail::SOURCE_TOPIC, &self.known.settings.topic),
            (tail::SOURCE_PARTITION, &partition),
            (tail::SOURCE_OFFSET, &offset),
            (tail::SOURCE_TOPIC_ID, &self.source_topic_id),
        ];
        let omitted = omits.then_some((tail::BODY_OMITTED, "true"));
        let headers = OwnedHeaders::new_with_capacity(pairs.len() + 1);
        pairs
            .into_iter()
            .chain(omitted)
            .fold(headers, |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            })
    }

    fn too_small(&self, held: &Held) -> LogError {
        self.not_kept(
            &held.message.message(),
            "it is too large even without its body".to_string(),
        )
    }

    fn not_kept(&self, message: &RefusedMessage<'_>, why: String) -> LogError {
        LogError::KafkaNotKept {
            topic: self.topic.clone(),
            partition: message.partition,
            offset: message.record.offset,
            why,
        }
    }
}

impl RefusedWriter for KafkaRefused {
    fn put(&mut self, message: RefusedMessage<'_>) -> Result<(), LogError> {
        self.advance()?;
        let (partition, offset) = (message.partition, message.record.offset);
        let Some(&last) = self.last.get(&partition) else {
            return Err(self.not_kept(&message, "nobody looked what is there".to_string()));
        };
        if offset <= last {
            return Ok(());
        }
        let bytes = size(&message);
        if self.held.is_some() || !self.flights.has_room(bytes) {
            return Err(LogError::Busy);
        }
        self.flights.add(partition, offset, bytes);
        if bytes > ALONE_BYTES {
            self.held = Some(Held {
                message: message.into(),
                stage: Stage::Waiting,
            });
            self.last.insert(partition, offset);
            return self.advance();
        }
        match self.send(message, false, false) {
            Ok(()) => {
                self.last.insert(partition, offset);
                Ok(())
            }
            Err(unsent) => {
                self.flights.remove(partition, offset, bytes);
                Err(match unsent {
                    Unsent::Full => LogError::Busy,
                    Unsent::TooLarge => self.not_kept(&message, "it is too large".to_string()),
                    Unsent::Failed(error) => error,
                })
            }
        }
    }

    fn add(&mut self, partition: u32) -> Result<(), LogError> {
        let topic = self.topic.clone();
        self.client = self.shared.client(&self.known, &topic)?;
        self.find(&[partition])
    }

    fn unsafe_from(&mut self) -> Result<BTreeMap<u32, i64>, LogError> {
        self.advance()?;
        Ok(self.flights.firsts())
    }
}

impl Shared {
    /// The producer, and a topic with a partition for each of the source's.
    fn client(&self, known: &Known, topic: &str) -> Result<Arc<Client>, LogError> {
        // Under the lock, so that the workers of a process do not all make the same topic.
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ensure(known, topic)?;
        if let Some(client) = &*client {
            client.learn(topic);
            return Ok(Arc::clone(client));
        }
        // Tried for as long as it takes: a broker that is away must not end the counting.
        let config = options::producer(&known.settings, 0);
        let made = Served::start(&known.settings, &config)?;
        Ok(Arc::clone(client.insert(Arc::new(made))))
    }
}

/// Makes the topic, or gives it the partitions that the source has got.
fn ensure(known: &Known, topic: &str) -> Result<(), LogError> {
    let (settings, probe) = (&known.settings, &known.probe);
    let wanted = probe.partitions(&settings.topic)?;
    match probe.partitions(topic) {
        Err(LogError::KafkaNoTopic { .. }) => {
            let config = [("retention.ms", "-1"), ("retention.bytes", "-1")];
            topics::make(settings, probe, topic, wanted, &config)?;
        }
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let found = probe.partitions(topic)?;
    if found >= wanted {
        return Ok(());
    }
    // Another process may do the same now.
    topics::widen(settings, probe, topic, wanted).or_else(|error| {
        if probe.partitions(topic)? >= wanted {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// What a message takes on its way.
fn size(message: &RefusedMessage<'_>) -> usize {
    let RefusedMessage { record, detail, .. } = message;
    let bytes = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    bytes(record.key) + bytes(record.bytes) + detail.len()
}

/// Why a message was not handed to the client.
enum Unsent {
    Full,
    TooLarge,
    Failed(LogError),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map from partition to the offsets of messages on their way.
type Flying = BTreeMap<u32, BTreeSet<i64>>;
