//! The stream of votes: at a rate, to the topic, some in transactions, some over HTTP.
//!
//! In come events; out go messages, and a count of what was sent. It goes on whatever happens to
//! the broker and to the service. What it has sent is not what has arrived: that is read from the
//! topic when all is over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::board::Board;
use crate::dice::Dice;
use crate::events::{Event, Generator};
use crate::plan::{Plan, Times};
use crate::post::{Posted, post};

/// How long a broker that does not answer is waited for, all in all.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long one request to the broker may take.
const REQUEST: Duration = Duration::from_secs(20);

/// How long a full queue is left alone.
const FULL_WAIT: Duration = Duration::from_millis(5);

/// How often it is looked whether messages are stored.
const STORED_LOOK: Duration = Duration::from_millis(1);

/// A transaction begins once in so many events, and has so many.
const TRANSACTION_ONCE_IN: u64 = 60;
const TRANSACTION_EVENTS: (i64, i64) = (2, 25);

/// One event in so many that are plain goes over HTTP.
const POST_ONCE_IN: u64 = 12;

/// Threads that send over HTTP, and how many requests wait for them.
const POSTERS: usize = 2;
const POSTS_MAX: usize = 16;

type Client = ThreadedProducer<DefaultProducerContext>;

/// The stream at work.
pub struct Feeder {
    sent: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Fed>>,
    posters: Vec<JoinHandle<Posted>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Fed {
    /// Transactions that were committed.
    pub committed: u64,
    /// Transactions that were given up, with messages in them.
    pub aborted: u64,
    /// What was sent over HTTP.
    pub posted: Posted,
}

impl Feeder {
    /// Starts to send a plan's events.
    pub fn start(
        plan: &Plan,
        kafka: &str,
        base_ms: i64,
        generator: Generator,
        board: &Arc<Board>,
    ) -> anyhow::Result<Feeder> {
        let (sent, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (posts, waiting) = mpsc::sync_channel(POSTS_MAX);
        let waiting = Arc::new(std::sync::Mutex::new(waiting));
        let mut posters = Vec::new();
        for number in 0..POSTERS {
            let (waiting, board, stop) =
                (Arc::clone(&waiting), Arc::clone(board), Arc::clone(&stop));
            let dice = Dice::new(plan.seed, &format!("poster {number}"));
            posters.push(std::thread::spawn(move || {
                post(&waiting, &board, dice, &stop)
            }));
        }
        let feed = Feed {
            plan: plan.clone(),
            base_ms,
            dice: Dice::new(plan.seed, "feed"),
            kafka: kafka.to_string(),
            generator,
            plain: client(kafka, None)?,
            transactions: None,
            fed: Fed::default(),
            posts,
        };
        let (counted, stopped) = (Arc::clone(&sent), Arc::clone(&stop));
        Ok(Feeder {
            sent,
            stop,
            thread: std::thread::spawn(move || feed.run(&counted, &stopped)),
            posters,
        })
    }

    /// How many events are sent.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// Whether it has come to its end, good or bad.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished() && self.posters.iter().all(JoinHandle::is_finished)
    }

    /// Ends it early.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits for its end.
    pub fn join(self) -> anyhow::Result<Fed> {
        let broken = |_| anyhow!("a thread of the feeder has panicked");
        let mut fed = self.thread.join().map_err(broken)??;
        for poster in self.posters {
            fed.posted.add(poster.join().map_err(broken)?);
        }
        Ok(fed)
    }
}

struct Feed {
    plan: Plan,
    base_ms: i64,
    dice: Dice,
    kafka: String,
    generator: Generator,
    plain: Client,
    /// Made when it is first needed, and anew after an error.
    transactions: Option<Client>,
    fed: Fed,
    posts: SyncSender<Vec<Vec<u8>>>,
}

impl Feed {
    fn run(mut self, sent: &AtomicUsize, stop: &AtomicBool) -> anyhow::Result<Fed> {
        let begun = Instant::now();
        let mut number = 0;
        while number < self.plan.events && !stop.load(Ordering::Acquire) {
            let due = begun + Duration::from_secs(1) * number as u32 / self.plan.rate_per_s as u32;
            // The rate is a fact about the voters, so this waits for the clock.
            while let Some(early) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(early);
            }
            number += if self.dice.once_in(TRANSACTION_ONCE_IN) {
                self.transaction()?
            } else {
                self.one()?
            };
            sent.store(number, Ordering::Release);
        }
        self.plain
            .flush(PATIENCE)
            .context("waiting for the last votes to be stored")?;
        Ok(self.fed)
    }

    /// Sends an event outside of any transaction.
    fn one(&mut self) -> anyhow::Result<usize> {
        let event = self.generator.next();
        if event.plain && self.dice.once_in(POST_ONCE_IN) {
            let mut lines: Vec<Vec<u8>> = event.body.iter().cloned().collect();
            for _ in 0..self.dice.below(4) {
                let more = self.generator.next();
                match more.body.filter(|_| more.plain) {
                    Some(line) => lines.push(line),
                    None => break,
                }
            }
            let count = lines.len();
            // While posters wait for a service that is away, votes go to the topic only.
            if self.posts.try_send(lines).is_ok() {
                return Ok(count);
            }
        }
        self.send(&event)?;
        Ok(1)
    }

    fn send(&mut self, event: &Event) -> anyhow::Result<()> {
        let create_ms = self.create_ms();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match send(&self.plain, &self.plan.topic, event, create_ms) {
                Ok(()) => return Ok(()),
                Err(error) if is_full(&error) => std::thread::park_timeout(FULL_WAIT),
                // What it had on its way may be lost with it; the topic says what arrived.
                Err(_) => self.plain = client(&self.kafka, None)?,
            }
            ensure!(Instant::now() < deadline, "no vote can be sent any more");
        }
    }

    /// Sends some events in a transaction, and commits it or not.
    fn transaction(&mut self) -> anyhow::Result<usize> {
        let count = self
            .dice
            .between(TRANSACTION_EVENTS.0, TRANSACTION_EVENTS.1);
        let events: Vec<Event> = (0..count).map(|_| self.generator.next()).collect();
        let commits = !self.dice.once_in(3);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let client = match self.transactions.take() {
                Some(client) => Ok(client),
                // A new one with the same id ends whatever the one before left open.
                None => self.transactional(),
            };
            match client.and_then(|client| self.try_transaction(client, &events, commits)) {
                Ok(client) => {
                    self.transactions = Some(client);
                    let ended = if commits {
                        &mut self.fed.committed
                    } else {
                        &mut self.fed.aborted
                    };
                    *ended += 1;
                    return Ok(events.len());
                }
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("sending a transaction");
                }
                Err(_) => std::thread::park_timeout(FULL_WAIT),
            }
        }
    }

    fn transactional(&self) -> anyhow::Result<Client> {
        let client = client(&self.kafka, Some(&self.plan.topic))?;
        client.init_transactions(REQUEST)?;
        Ok(client)
    }

    fn try_transaction(
        &mut self,
        client: Client,
        events: &[Event],
        commits: bool,
    ) -> anyhow::Result<Client> {
        client.begin_transaction()?;
        for event in events {
            let create_ms = self.create_ms();
            send(&client, &self.plan.topic, event, create_ms)?;
        }
        // An abort would else only empty the queue, and nothing of it have been in the log.
        let deadline = Instant::now() + REQUEST;
        while !commits && client.in_flight_count() > 0 {
            ensure!(Instant::now() < deadline, "a transaction is not stored");
            std::thread::park_timeout(STORED_LOOK);
        }
        loop {
            let ended = match commits {
                true => client.commit_transaction(REQUEST),
                false => client.abort_transaction(REQUEST),
            };
            match ended {
                Ok(()) => return Ok(client),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The time that a message brings along; another one than the broker's, and not in order.
    fn create_ms(&mut self) -> Option<i64> {
        let jitter_ms = self.dice.between(0, 4_000);
        match self.plan.times {
            Times::Append => None,
            Times::Create => Some(self.base_ms + jitter_ms),
        }
    }
}

fn client(kafka: &str, transactional_id: Option<&str>) -> anyhow::Result<Client> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka)
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        .set("message.timeout.ms", "120000")
        .set("reconnect.backoff.max.ms", "500")
        // Partitions that are added get votes soon.
        .set("topic.metadata.refresh.interval.ms", "500");
    if let Some(id) = transactional_id {
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", "60000");
        config.set("message.timeout.ms", "60000");
    }
    config.create().context("making a producer")
}

fn send(
    client: &Client,
    topic: &str,
    event: &Event,
    create_ms: Option<i64>,
) -> Result<(), KafkaError> {
    let mut record = BaseRecord::<str, [u8]>::to(topic);
    record.key = event.key.as_deref();
    record.payload = event.body.as_deref();
    record.timestamp = create_ms;
    client.send(record).map_err(|(error, _)| error)
}

fn is_full(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
    )
}
