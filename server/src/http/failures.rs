//! Failed authentications: counted, told to the log now and then, and answered slowly.
//!
//! In comes each answer that says 401; nothing goes out but time. Whoever shows the right token is
//! never here. A token cannot be guessed, so slowness is for the machine: one who tries again and
//! again in a loop costs little.
//!
//! Non-guarantee: who opens a connection for each try does not wait for the answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Counter, counter};

use super::network::network;

/// How long an answer waits. It waits on its own connection and holds nothing else.
const DELAY: Duration = Duration::from_millis(500);

/// How many of one address wait at once; further ones are answered without delay, so that one who
/// sends many takes no more connections than one who sends few.
const WAITING_MAX: usize = 8;

/// How many addresses may wait at once: all together hold an eighth of the connections.
const ADDRESSES_MAX: usize = 256;

/// How often the log is told at most.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The failures of this server; clones share them.
#[derive(Clone)]
pub struct Failures {
    all: Counter,
    unsaid: Arc<Mutex<Unsaid>>,
    waiting: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

#[derive(Default)]
struct Unsaid {
    count: u64,
    latest: Option<IpAddr>,
    said_at: Option<Instant>,
}

/// One that waits.
struct Waiting {
    failures: Failures,
    network: IpAddr,
}

impl Default for Failures {
    fn default() -> Failures {
        Failures {
            all: counter!("tallyflow_authentication_failures_total"),
            unsaid: Arc::default(),
            waiting: Arc::default(),
        }
    }
}

impl Failures {
    /// Notes one, and waits a little, unless too many of its address do.
    pub async fn note(&self, from: IpAddr) {
        self.all.increment(1);
        {
            let mut unsaid = lock(&self.unsaid);
            unsaid.count += 1;
            unsaid.latest = Some(from);
        }
        self.say(Instant::now());
        if let Some(_waiting) = self.wait(from) {
            tokio::time::sleep(DELAY).await;
        }
    }

    /// Tells the log of those that it has not been told of, if it was not told lately. To be called
    /// every few seconds, so that the last ones are told, too.
    pub fn say(&self, now: Instant) {
        let (count, latest) = {
            let mut unsaid = lock(&self.unsaid);
            let is_early = |at: Instant| now.saturating_duration_since(at) < SAY_EVERY;
            if unsaid.count == 0 || unsaid.said_at.is_some_and(is_early) {
                return;
            }
            unsaid.said_at = Some(now);
            (std::mem::take(&mut unsaid.count), unsaid.latest.take())
        };
        tracing::warn!(
            count,
            latest = latest.map(tracing::field::display),
            "requests without the right token were turned away"
        );
    }

    fn wait(&self, from: IpAddr) -> Option<Waiting> {
        let network = network(from);
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= ADDRESSES_MAX && !waiting.contains_key(&network) {
            return None;
        }
        let count = waiting.entry(network).or_default();
        if *count >= WAITING_MAX {
            return None;
        }
        *count += 1;
        let failures = self.clone();
        Some(Waiting { failures, network })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = lock(&self.failures.waiting);
        let count = waiting.get_mut(&self.network).map(|count| {
            *count -= 1;
            *count
        });
        if count == Some(0) {
            waiting.remove(&self.network);
        }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // Numbers are whole whoever panicked while holding them.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_keeps_few_waiting_and_no_other_from_it() {
        let failures = Failures::default();
        let wait = |from: &str| failures.wait(address(from));
        let mut first: Vec<_> = (0..WAITING_MAX).map_while(|_| wait("192.0.2.1")).collect();
        assert_eq!(first.len(), WAITING_MAX);
        assert!(wait("192.0.2.1").is_none() && wait("::ffff:192.0.2.1").is_none());
        assert!(wait("192.0.2.2").is_some());
        first.pop();
        assert!(wait("192.0.2.1").is_some());
        let host = |number: usize| wait(&format!("2001:db8::{number:x}"));
        let network: Vec<_> = (1..=WAITING_MAX).map_while(host).collect();
        assert_eq!(network.len(), WAITING_MAX);
        assert!(wait("2001:db8::ffff").is_none() && wait("2001:db8:0:1::1").is_some());
        drop((first, network));
        assert!(lock(&failures.waiting).is_empty(), "nothing is kept");
    }

    #[test]
    fn there_is_a_bound_for_all_addresses() {
        let failures = Failures::default();
        let from = |number: u32| failures.wait(IpAddr::V4(number.into()));
        let waiting: Vec<_> = (0..2 * ADDRESSES_MAX as u32).filter_map(from).collect();
        assert_eq!(waiting.len(), ADDRESSES_MAX);
    }

    #[test]
    fn the_log_is_told_once_a_minute_of_all() {
        let failures = Failures::default();
        let start = Instant::now();
        let unsaid = |after: Duration, more: u64| {
            lock(&failures.unsaid).count += more;
            failures.say(start + after);
            lock(&failures.unsaid).count
        };
        assert_eq!(unsaid(Duration::ZERO, 1), 0, "the first at once");
        assert_eq!(unsaid(Duration::from_secs(1), 500), 500);
        assert_eq!(unsaid(SAY_EVERY - Duration::from_secs(1), 1), 501);
        assert_eq!(unsaid(SAY_EVERY, 0), 0, "the rest by itself");
        assert_eq!(unsaid(SAY_EVERY * 2, 0), 0);
    }
}
