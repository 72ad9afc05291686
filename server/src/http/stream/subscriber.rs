//! One subscriber: beats of its group come in, bytes for its connection go out.
//!
//! It is polled only while its connection takes bytes, so it holds nothing for a slow one. Where
//! it stands is the tick of the last event that it handed over; whatever the group shows next,
//! it sends the way from there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::{Instant, sleep_until};

use super::group::{Beat, Beats, Frame, Group};
use super::pace::Pace;
use super::{Seat, frame};
use crate::http::answers::{full, unanswered};
use crate::http::metrics::Metrics;
use crate::http::problem::Problem;
use crate::publish::{Checksum, Delta, Encoded, Full, GZIP_HEAD, Publisher, Tick};

/// How much later than the group's next frame a subscriber sends on its own. It is held back
/// only if it had sent something out of step; so close to the group's next frame it rather
/// takes that one, and is in step again.
const GROUP_FIRST: Duration = Duration::from_millis(50);

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With a snapshot.
    Now,
    /// With the changes after a tick.
    After(u64),
    /// With a reset: it names something that is no tick.
    Foreign,
}

/// A subscriber's place in its group and among all streams.
pub struct Place {
    /// The group.
    pub group: Arc<Group>,
    /// What it says.
    pub beats: Beats,
    /// Counts against the limit while it is held.
    pub _seat: Seat,
    /// Where frames are counted.
    pub metrics: Metrics,
}

struct Subscriber {
    place: Place,
    publisher: Publisher,
    /// The tick of the last event that was handed over.
    at: u64,
    alive_seen: u64,
    pace: Pace,
    ended: bool,
    /// Events to hand over before the group is looked at again; a reset and its snapshot at most,
    /// and a sign of life.
    next: VecDeque<Encoded>,
    /// How it takes them.
    coding: Coding,
}

/// How events are sent.
#[derive(Debug)]
pub enum Coding {
    /// As they are.
    Plain,
    /// As one file of gzip; what it holds so far, once its head is sent.
    Gzip(Option<Checksum>),
}

/// The events of one subscriber as a body.
pub fn frames(
    place: Place,
    publisher: Publisher,
    start: Start,
    coding: Coding,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + Send + Sync, Problem> {
    place.metrics.streams_open.increment(1.0);
    let alive_seen = place.beats.borrow().alive.0;
    let mut subscriber = Subscriber {
        at: 0,
        alive_seen,
        pace: Pace::new(place.group.key().interval),
        ended: false,
        next: VecDeque::from([Encoded::new(frame::RETRY, publisher.budget().clone())]),
        coding,
        place,
        publisher,
    };
    subscriber.begin(start)?;
    Ok(unfold(subscriber, |mut subscriber| async {
        let bytes = subscriber.next().await?;
        Some((Ok(bytes), subscriber))
    }))
}

impl Subscriber {
    fn begin(&mut self, start: Start) -> Result<(), Problem> {
        let Some(tick) = self.publisher.current() else {
            return Err(Problem::catching_up(&self.publisher.progress()));
        };
        // Ticks to go on from are free to choose, and each wants an encoding of its own.
        if self.publisher.budget().is_full() {
            return Err(full(Full));
        }
        match start {
            Start::After(after) => {
                self.at = after;
                self.send_way(&tick, Instant::now());
            }
            Start::Foreign => self.send_reset(&tick, "unknown_tick"),
            Start::Now => {
                let snapshot = frame::snapshot(&tick, &self.place.group.key().part);
                self.next.push_back(snapshot.map_err(unanswered)?);
                self.at = tick.number();
            }
        }
        Ok(())
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.next.pop_front() {
                self.place.metrics.frames_sent.increment(1);
                let bytes = self.coding.bytes(&event);
                self.place
                    .metrics
                    .stream_bytes_sent
                    .increment(bytes.len() as u64);
                return Some(bytes);
            }
            if self.ended {
                return self.coding.end();
            }
            let beat = self.place.beats.borrow_and_update().clone();
            let due = self.take(&beat);
            if let Some(event) = beat.last {
                self.next
                    .extend((!event.plain().is_empty()).then_some(event));
                self.ended = true;
            }
            if self.ended || !self.next.is_empty() {
                continue;
            }
            tokio::select! {
                // An error is the group's end without a word, which is as good as one.
                changed = self.place.beats.changed() => self.ended = changed.is_err(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => (),
            }
        }
    }

    /// Takes what is new in a beat; if its frame has to wait, says until when.
    fn take(&mut self, beat: &Beat) -> Option<Instant> {
        let (alive, event) = &beat.alive;
        if *alive != self.alive_seen {
            self.alive_seen = *alive;
            self.next.push_back(event.clone());
        }
        let frame = &beat.frame;
        if frame.to > self.at {
            if let Some(due) = self.pace.wait_until(Instant::now()) {
                let group_next_at = frame.sent_at + self.place.group.key().interval;
                return Some(due.max(group_next_at + GROUP_FIRST));
            }
            self.send_frame(frame);
        }
        None
    }

    fn send_frame(&mut self, frame: &Frame) {
        if frame.from == self.at {
            self.next.extend(frame.event.clone());
            self.at = frame.to;
            self.pace.sent(frame.sent_at);
        } else if let Some(tick) = frame.tick.clone().or_else(|| self.publisher.current()) {
            self.send_way(&tick, frame.sent_at);
        }
    }

    /// Sends the way from where the subscriber stands to a tick, as one change. While there is no
    /// room for what only those need who are behind, they end here, and come again.
    fn send_way(&mut self, tick: &Tick, sent_at: Instant) {
        if self.publisher.budget().is_full() {
            self.place.metrics.streams_dropped.increment(1);
            self.ended = true;
            return;
        }
        match frame::delta(&self.publisher, tick, &self.place.group.key().part, self.at) {
            Delta::Frame(event) => {
                self.next.push_back(event);
                self.at = tick.number();
                self.pace.sent(sent_at);
            }
            Delta::Nothing => self.at = tick.number(),
            Delta::Lost(reason) => match self.publisher.current() {
                // Its snapshot is shared by all who come now.
                Some(newest) => self.send_reset(&newest, reason),
                None => self.send_reset(tick, reason),
            },
        }
    }

    fn send_reset(&mut self, tick: &Tick, reason: &'static str) {
        self.at = tick.number();
        let reset = frame::reset(self.at, reason);
        let budget = self.publisher.budget().clone();
        self.next.push_back(Encoded::new(reset, budget));
        match frame::snapshot(tick, &self.place.group.key().part) {
            Ok(snapshot) => self.next.push_back(snapshot),
            // The contest is gone, or there is no room: who comes again is told so.
            Err(_) => self.ended = true,
        }
    }
}

impl Coding {
    /// An event as it is sent.
    fn bytes(&mut self, event: &Encoded) -> Bytes {
        let Coding::Gzip(sum) = self else {
            return event.plain().clone();
        };
        let is_first = sum.is_none();
        sum.get_or_insert_default().add(event.plain());
        if is_first {
            return [&GZIP_HEAD[..], event.blocks()].concat().into();
        }
        event.blocks().clone()
    }

    /// What comes after the last event, once.
    fn end(&mut self) -> Option<Bytes> {
        match self {
            Coding::Plain => None,
            Coding::Gzip(sum) => sum.take().map(|sum| sum.end().into()),
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.place.metrics.streams_open.decrement(1.0);
    }
}
