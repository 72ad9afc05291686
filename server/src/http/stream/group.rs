//! All subscribers of one contest and interval: ticks come in, shared frames go out.
//!
//! A group is a task. Its newest frame is a value that subscribers look at when they can;
//! one who misses a frame finds the next one and closes the gap itself. The task ends with its
//! last subscriber, at shutdown, or when its contest is gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::Streams;
use super::frame;
use super::pace::Pace;
use crate::http::server::ended;
use crate::http::status;
use crate::http::votes::now_ms;
use crate::publish::{Budget, Delta, Encoded, Part, Tick};

/// How often a stream says that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// How long a frame holds its tick.
const HELD_MAX: Duration = Duration::from_secs(1);

/// What a group is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The contest, and which parts of it.
    pub part: Part,
    /// At most one change in it.
    pub interval: Duration,
}

/// A group's newest frame and sign of life.
pub type Beats = watch::Receiver<Beat>;

/// What a group has to say.
#[derive(Clone)]
pub struct Beat {
    /// The newest frame.
    pub frame: Arc<Frame>,
    /// The newest `alive` event, and its number.
    pub alive: (u64, Encoded),
    /// The group's end, with its last event; empty bytes for an end without a word.
    pub last: Option<Encoded>,
}

/// The way from one tick to a later one, for all who stand at the first.
#[derive(Clone)]
pub struct Frame {
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// The tick where it ends, as long as subscribers come to it: changes of those who stand
    /// elsewhere are made for the same tick, so that the next frame serves them, too. Not for
    /// ever, since a quiet group would hold an old tick and all that was encoded for it.
    pub tick: Option<Arc<Tick>>,
    /// When it went out.
    pub sent_at: Instant,
    /// The `change` event; nothing for nobody.
    pub event: Option<Encoded>,
}

/// Subscribers of one contest and interval.
pub struct Group {
    key: Key,
    budget: Budget,
    beats: watch::Sender<Beat>,
}

impl Frame {
    /// A frame from a tick to itself: nobody who stands there needs it.
    fn none(tick: u64, sent_at: Instant) -> Frame {
        Frame {
            from: tick,
            to: tick,
            tick: None,
            sent_at,
            event: None,
        }
    }
}

impl Group {
    /// A group that begins at a tick.
    pub fn new(key: Key, tick: u64, budget: Budget) -> Group {
        let frame = Arc::new(Frame::none(tick, Instant::now()));
        let first = Beat {
            frame,
            alive: (0, Encoded::new(Bytes::new(), budget.clone())),
            last: None,
        };
        Group {
            key,
            budget,
            beats: watch::Sender::new(first),
        }
    }

    /// What the group is for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Listens to the group.
    pub fn beats(&self) -> Beats {
        self.beats.subscribe()
    }

    /// Whether nobody listens.
    pub fn is_idle(&self) -> bool {
        self.beats.receiver_count() == 0
    }

    /// Makes frames until nobody listens any more.
    pub async fn run(self: Arc<Self>, streams: Arc<Streams>) {
        let mut ticks = streams.publisher.ticks();
        let mut shutdown = streams.shutdown.clone();
        let mut alive = interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pace = Pace::new(self.key.interval);
        // A tick may have been published between the group's first one and `ticks`.
        ticks.mark_changed();
        let mut due: Option<Instant> = None;
        while !self.has_ended() {
            tokio::select! {
                () = ended(&mut shutdown) => break,
                () = self.beats.closed() => if streams.retire(&self) { return },
                _ = alive.tick() => self.say_alive(&streams),
                published = ticks.changed(), if due.is_none() => {
                    if published.is_err() {
                        break;
                    }
                    let now = Instant::now();
                    due = pace.wait_until(now);
                    if due.is_none() {
                        self.advance(&streams, &mut pace, now);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    due = None;
                    ticks.mark_unchanged();
                    self.advance(&streams, &mut pace, Instant::now());
                }
            }
        }
        self.end(Bytes::new());
        streams.lock().remove(&self.key);
    }

    /// Sends what changed since the newest frame.
    fn advance(&self, streams: &Streams, pace: &mut Pace, now: Instant) {
        let Some(tick) = streams.publisher.current() else {
            return;
        };
        let part = &self.key.part;
        if tick.snapshot().contest_id(Some(&part.0)).is_err() {
            return self.end(frame::reset(tick.number(), "contest_gone"));
        }
        let from = self.beats.borrow().frame.to;
        if !streams.publisher.changed_after(&part.0, from) {
            return self.let_go(now);
        }
        let event = match frame::delta(&streams.publisher, &tick, part, from) {
            Delta::Frame(event) => event,
            Delta::Nothing => return,
            // The group fell behind the history, and so did all who stand where it does: each
            // finds out at this tick, since nobody stands at the frame's beginning.
            Delta::Lost(_) => return self.send(Frame::none(tick.number(), now)),
        };
        pace.sent(now);
        self.send(Frame {
            from,
            to: tick.number(),
            tick: Some(tick),
            sent_at: now,
            event: Some(event),
        });
    }

    fn has_ended(&self) -> bool {
        self.beats.borrow().last.is_some()
    }

    fn end(&self, event: Bytes) {
        let event = Encoded::new(event, self.budget.clone());
        self.beats.send_if_modified(|beat| {
            let ends = beat.last.is_none();
            beat.last.get_or_insert(event);
            ends
        });
    }

    fn send(&self, frame: Frame) {
        self.beats.send_modify(|beat| beat.frame = Arc::new(frame));
    }

    /// Lets the tick of the newest frame go, once its subscribers have had the time to take it.
    fn let_go(&self, now: Instant) {
        self.beats.send_if_modified(|beat| {
            if beat.frame.tick.is_some() && now > beat.frame.sent_at + HELD_MAX {
                beat.frame = Arc::new(Frame {
                    tick: None,
                    ..Frame::clone(&beat.frame)
                });
            }
            // Nothing that anybody waits for.
            false
        });
    }

    fn say_alive(&self, streams: &Streams) {
        let Some(tick) = streams.publisher.latest() else {
            return;
        };
        self.let_go(Instant::now());
        let lag = status::lag(&*streams.status, &streams.publisher);
        let alive = frame::alive(tick.number(), now_ms(), lag);
        let alive = Encoded::new(alive, self.budget.clone());
        self.beats
            .send_modify(|beat| beat.alive = (beat.alive.0 + 1, alive));
    }
}
