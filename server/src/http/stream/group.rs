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
use crate::publish::Delta;

/// How often a stream says that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// What a group is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The contest.
    pub contest: Arc<str>,
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
    pub alive: (u64, Bytes),
    /// The group's end, with its last event; empty bytes for an end without a word.
    pub last: Option<Bytes>,
}

/// The way from one tick to a later one, for all who stand at the first.
pub struct Frame {
    /// Where it begins.
    pub from: u64,
    /// Where it ends. Only the number: a quiet group would else hold an old tick, and all that
    /// was encoded for it.
    pub to: u64,
    /// When it went out.
    pub sent_at: Instant,
    /// The `change` event.
    pub bytes: Bytes,
}

/// Subscribers of one contest and interval.
pub struct Group {
    key: Key,
    beats: watch::Sender<Beat>,
}

impl Frame {
    /// A frame from a tick to itself: nobody who stands there needs it.
    fn none(tick: u64, sent_at: Instant) -> Frame {
        Frame {
            from: tick,
            to: tick,
            sent_at,
            bytes: Bytes::new(),
        }
    }
}

impl Group {
    /// A group that begins at a tick.
    pub fn new(key: Key, tick: u64) -> Group {
        let frame = Arc::new(Frame::none(tick, Instant::now()));
        let first = Beat {
            frame,
            alive: (0, Bytes::new()),
            last: None,
        };
        Group {
            key,
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
        let contest = &self.key.contest;
        if tick.snapshot().contest_id(Some(contest)).is_err() {
            return self.end(frame::reset(tick.number(), "contest_gone"));
        }
        let from = self.beats.borrow().frame.to;
        if !streams.publisher.changed_after(contest, from) {
            return;
        }
        let bytes = match frame::delta(&streams.publisher, &tick, contest, from) {
            Delta::Frame(bytes) => bytes,
            Delta::Nothing => return,
            // The group fell behind the history, and so did all who stand where it does: each
            // finds out at this tick, since nobody stands at the frame's beginning.
            Delta::Lost(_) => return self.send(Frame::none(tick.number(), now)),
        };
        pace.sent(now);
        self.send(Frame {
            from,
            to: tick.number(),
            sent_at: now,
            bytes,
        });
    }

    fn has_ended(&self) -> bool {
        self.beats.borrow().last.is_some()
    }

    fn end(&self, event: Bytes) {
        self.beats.send_if_modified(|beat| {
            let ends = beat.last.is_none();
            beat.last.get_or_insert(event);
            ends
        });
    }

    fn send(&self, frame: Frame) {
        self.beats.send_modify(|beat| beat.frame = Arc::new(frame));
    }

    fn say_alive(&self, streams: &Streams) {
        let Some(tick) = streams.publisher.latest() else {
            return;
        };
        let lag = status::lag(&*streams.status, &streams.publisher);
        let alive = frame::alive(tick.number(), now_ms(), lag);
        self.beats
            .send_modify(|beat| beat.alive = (beat.alive.0 + 1, alive));
    }
}
