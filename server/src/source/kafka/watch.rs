//! Watches the topic while it is counted: how far it reaches, and whether it is still the same.
//!
//! One thread of the process asks every second or two; what it finds is kept for the readers and
//! for answers. When the topic is another one, or gone for good, all readers are told to end.
//! It never decides what is counted.
//!
//! Non-guarantee: a topic that is deleted, made again and filled beyond the offsets of the readers
//! within [`ID_ROUNDS`] rounds may be read from before it is noticed; nothing is published for long
//! then, and a start refuses the new id.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::probe::Probe;
use super::{KafkaSettings, now_ms, settings};
use crate::source::{Extent, Health, LogError};

/// How long the watch rests between two looks.
const REST: Duration = Duration::from_millis(1500);

/// The topic's id is asked for in every so many looks.
const ID_ROUNDS: u32 = 2;

/// Its settings are asked for in every so many looks: a change is seen within some ten seconds.
const SETTINGS_ROUNDS: u32 = 8;

/// How long the brokers may say that there is no such topic until it is gone for good. One that
/// is being made again, or brokers that have just started, need some seconds.
const ABSENCE: Duration = Duration::from_secs(10);

/// Called, from any thread, when a reader should look.
pub(super) type WakeFn = dyn Fn() + Send + Sync;

/// What the process knows of the topic.
pub(super) struct Known {
    pub(super) settings: KafkaSettings,
    pub(super) probe: Probe,
    state: Mutex<State>,
    /// Whether the state has a failure; asked for at every poll.
    failed: AtomicBool,
    wakers: Mutex<Vec<Weak<WakeFn>>>,
}

#[derive(Default)]
struct State {
    extents: Vec<Extent>,
    health: Health,
    /// The id of the topic that is counted.
    id: Option<String>,
    failure: Option<LogError>,
}

impl Known {
    pub(super) fn new(settings: KafkaSettings, probe: Probe) -> Known {
        Known {
            settings,
            probe,
            state: Mutex::default(),
            failed: AtomicBool::new(false),
            wakers: Mutex::default(),
        }
    }

    /// The extents as they were found last.
    pub(super) fn extents(&self) -> Vec<Extent> {
        self.state().extents.clone()
    }

    /// Whether the brokers answer.
    pub(super) fn health(&self) -> Health {
        self.state().health.clone()
    }

    /// Why reading must end, if it must.
    pub(super) fn failure(&self) -> Option<LogError> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.state().failure.clone()
    }

    /// Keeps what was found; the number of partitions never goes down.
    pub(super) fn keep_extents(&self, extents: &[Extent]) {
        let mut state = self.state();
        let has_more = extents.len() > state.extents.len();
        if extents.len() >= state.extents.len() {
            state.extents = extents.to_vec();
        }
        if state.health.error.is_some() {
            tracing::info!("the kafka brokers answer again");
            state.health = Health::default();
        }
        drop(state);
        if has_more {
            self.wake_all();
        }
    }

    /// Asks for the topic's id and compares it with the one that is counted, which is the first
    /// that was found.
    pub(super) fn check_id(&self) -> Result<String, LogError> {
        let found = self.probe.topic_id()?;
        let mut state = self.state();
        let counted = state.id.get_or_insert_with(|| found.clone()).clone();
        drop(state);
        if counted == found {
            return Ok(found);
        }
        let failure = LogError::KafkaReplaced {
            topic: self.settings.topic.clone(),
            counted,
            found,
        };
        self.fail(failure.clone());
        Err(failure)
    }

    /// Warns of what the settings say now.
    fn look_at_settings(&self) {
        // That brokers are away is said by what is asked for more often.
        if let Err(error) = settings::examine(&self.settings, false) {
            tracing::debug!(%error, "the topic's settings are looked at later");
        }
    }

    /// Has somebody woken when there is news, as long as they keep their half.
    pub(super) fn add_waker(&self, waker: &Arc<WakeFn>) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.retain(|waker| waker.strong_count() > 0);
        wakers.push(Arc::downgrade(waker));
    }

    /// Ends the reading, of all readers.
    fn fail(&self, failure: LogError) {
        let mut state = self.state();
        if state.failure.is_none() {
            tracing::error!("{failure}");
            state.health = unhealthy(&state.health, &failure);
            state.failure = Some(failure);
        }
        drop(state);
        self.failed.store(true, Ordering::Release);
        self.wake_all();
    }

    fn keep_trouble(&self, error: &LogError) {
        let mut state = self.state();
        if state.health.error.is_none() {
            tracing::warn!("{error}");
        }
        state.health = unhealthy(&state.health, error);
    }

    fn wake_all(&self) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let wakers: Vec<_> = wakers.iter().filter_map(Weak::upgrade).collect();
        // Without the lock, since a waker is not ours.
        for waker in wakers {
            waker();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watch's bell: a ring makes it look at once; when all bells are gone, it ends. That takes
/// as long as the question that it is asking, some seconds, and nobody waits for it.
#[derive(Clone)]
pub(super) struct Bell(Sender<()>);

impl Bell {
    /// Asks for a look now.
    pub(super) fn ring(&self) {
        // One ring that was not heard yet is enough.
        let _ = self.0.try_send(());
    }
}

/// Starts the watch.
pub(super) fn start(known: Arc<Known>) -> Result<Bell, LogError> {
    let (bell, rings) = crossbeam_channel::bounded(1);
    thread::Builder::new()
        .name("kafka-watch".to_string())
        .spawn(move || watch(&known, &rings))
        .map_err(|error| LogError::KafkaClient {
            why: format!("no thread could be started: {error}"),
        })?;
    Ok(Bell(bell))
}

fn watch(known: &Known, rings: &Receiver<()>) {
    let mut absent_since = None;
    for round in 0_u32.. {
        known.probe.serve();
        let looked = look(known, round.is_multiple_of(ID_ROUNDS));
        match &looked {
            Ok(()) => absent_since = None,
            Err(LogError::KafkaNoTopic { .. }) => {
                let since = *absent_since.get_or_insert_with(Instant::now);
                let counted = known.state().id.clone();
                if let Some(counted) = counted
                    && since.elapsed() >= ABSENCE
                {
                    let topic = known.settings.topic.clone();
                    known.fail(LogError::KafkaGone { topic, counted });
                }
            }
            Err(_) => {}
        }
        match &looked {
            // The first look is at a topic that a start examines.
            Ok(()) if round % SETTINGS_ROUNDS == SETTINGS_ROUNDS - 1 => known.look_at_settings(),
            Ok(()) => {}
            Err(error) => known.keep_trouble(error),
        }
        if known.failure().is_some() {
            return;
        }
        // A ring in the middle of a rest comes from a reader in trouble; each is answered by one
        // look, and looks are bounded by what they ask for.
        if rings.recv_timeout(REST) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

fn look(known: &Known, ask_id: bool) -> Result<(), LogError> {
    let extents = known.probe.extents()?;
    // After trouble, before the reading of another topic is called healthy.
    if ask_id || known.health().error.is_some() {
        known.check_id()?;
    }
    known.keep_extents(&extents);
    Ok(())
}

fn unhealthy(before: &Health, error: &LogError) -> Health {
    Health {
        error: Some(error.told()),
        since_ms: before.since_ms.or_else(|| Some(now_ms())),
    }
}
