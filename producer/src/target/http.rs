//! A server's `POST /api/v1/votes`, over several connections.
//!
//! Comes in as batches, cut into bodies; a few threads post them and send the same again while
//! the server is busy or away. That is safe: a copy of an event never counts twice. A malformed
//! message travels alone, since it would have its whole request turned away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::batch::Batch;

use super::{Delivery, Target, TargetError};
use post::{Outcome, Poster};

mod post;

/// Bodies grow to about this before the next begins.
const BODY_BYTES: usize = 512 << 10;

/// How the server is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// For `Authorization: Bearer`; never shown.
    pub token: Option<String>,
    /// Requests at one time, at least one.
    pub connections: usize,
    /// For how long a server that is busy or away is asked again.
    pub patience: Duration,
    /// For how long a server that has never answered is.
    pub patience_at_first: Duration,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            token: None,
            connections: 4,
            patience: Duration::from_secs(300),
            patience_at_first: Duration::from_secs(5),
        }
    }
}

/// One request to be.
struct Body {
    bytes: Vec<u8>,
    messages: u64,
    /// For which reason the server must turn it away.
    refused: Option<&'static str>,
}

/// What the threads share.
#[derive(Debug, Default)]
struct Shared {
    delivery: Mutex<Delivery>,
    failure: Mutex<Option<TargetError>>,
    has_failed: AtomicBool,
    /// Whether the server has ever answered.
    is_reached: AtomicBool,
}

/// Posts messages to a server.
#[derive(Debug)]
pub struct HttpTarget {
    url: String,
    bodies: Option<Sender<Body>>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl HttpTarget {
    /// Prepares to post to a server's base address, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str, options: &HttpOptions) -> HttpTarget {
        let url = format!("{base}/api/v1/votes");
        let connections = options.connections.max(1);
        // As many bodies wait as are on their way.
        let (sender, receiver) = crossbeam_channel::bounded(connections);
        let shared = Arc::new(Shared::default());
        let threads = (0..connections).map(|_| {
            let poster = Poster::new(&url, options);
            let (receiver, shared) = (receiver.clone(), shared.clone());
            std::thread::spawn(move || post_all(&poster, &receiver, &shared))
        });
        HttpTarget {
            threads: threads.collect(),
            url,
            bodies: Some(sender),
            shared,
        }
    }

    fn hand_over(&self, body: Body) -> Result<(), TargetError> {
        if body.messages == 0 {
            return Ok(());
        }
        if let Some(error) = self.shared.take_failure() {
            return Err(error);
        }
        let sent = self.bodies.as_ref().map(|bodies| bodies.send(body));
        match sent {
            Some(Ok(())) => Ok(()),
            // All threads have gone, so one of them has failed; or the target is finished.
            _ => Err(self.shared.take_failure().unwrap_or(TargetError::Other {
                place: self.url.clone(),
                source: "the sending has ended".into(),
            })),
        }
    }
}

impl Target for HttpTarget {
    fn send(&mut self, batch: &Batch) -> Result<(), TargetError> {
        let mut next = Body::empty();
        for message in batch.messages() {
            if message.refused.is_some() {
                self.hand_over(Body {
                    bytes: message.bytes.to_vec(),
                    messages: 1,
                    refused: message.refused,
                })?;
                continue;
            }
            if next.bytes.len() + message.bytes.len() >= BODY_BYTES {
                self.hand_over(std::mem::replace(&mut next, Body::empty()))?;
            }
            next.bytes.extend_from_slice(message.bytes);
            next.bytes.push(b'\n');
            next.messages += 1;
        }
        self.hand_over(next)
    }

    fn finish(&mut self) -> Result<Delivery, TargetError> {
        self.bodies = None;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        match self.shared.take_failure() {
            Some(error) => Err(error),
            None => Ok(*self
                .shared
                .delivery
                .lock()
                .unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl Drop for HttpTarget {
    /// Threads end by themselves once nothing can come any more; what they wait for ends too.
    fn drop(&mut self) {
        self.bodies = None;
        self.shared.has_failed.store(true, Ordering::Relaxed);
    }
}

impl Body {
    fn empty() -> Body {
        Body {
            bytes: Vec::new(),
            messages: 0,
            refused: None,
        }
    }
}

impl Shared {
    fn take_failure(&self) -> Option<TargetError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    fn fail(&self, error: TargetError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // The first failure is the cause of the others.
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            *failure = Some(error);
        }
    }

    fn count(&self, outcome: Outcome) {
        let mut delivery = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        delivery.stored += outcome.stored;
        delivery.turned_away += outcome.turned_away;
        delivery.sent_again += outcome.sent_again;
    }
}

/// A thread's work: posts bodies until there are no more, or one thread has failed.
fn post_all(poster: &Poster, bodies: &Receiver<Body>, shared: &Shared) {
    for body in bodies {
        if shared.has_failed.load(Ordering::Relaxed) {
            return;
        }
        match poster.post(&body, shared) {
            Ok(outcome) => shared.count(outcome),
            Err(error) => return shared.fail(error),
        }
    }
}
