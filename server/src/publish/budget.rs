//! The memory of encoded answers and frames, from when they are made until the last who sends them
//! is through.
//!
//! Bytes come in and go out, counted from now on until nobody has them any more: not the tick that
//! keeps them, no connection that is about to send them, no buffer below it. Ticks follow each other
//! many times a second, and each makes its answers anew; readers that are slow would else keep the
//! answers of hundreds of ticks. How full it is says how long they may.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The most bytes that are encoded at once. With the memory of 16,384 connections themselves it
/// stays below half a GiB, and an answer of 1 MB, that of hundreds of locations, fits in it for
/// each of 19 ticks a second for ten seconds.
const ENCODED_BYTES_MAX: usize = 192 << 20;

/// A handle on the memory; clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes_max: usize,
    used: Arc<AtomicUsize>,
}

/// There is no memory left for another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Bytes that are counted.
struct Counted {
    bytes: Bytes,
    budget: Budget,
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes_max: usize) -> Budget {
        Budget {
            bytes_max,
            used: Arc::default(),
        }
    }

    /// Makes bytes and counts them, unless there is no room. How much they are is known only when
    /// they are made, so each thread that makes some may be beyond the bound by one answer.
    pub fn make<E: From<Full>>(&self, make: impl FnOnce() -> Result<Bytes, E>) -> Result<Bytes, E> {
        if self.is_full() {
            return Err(Full.into());
        }
        make().map(|bytes| self.count(bytes))
    }

    /// Counts bytes whether there is room or not: for what is shared by all who are not slow.
    pub fn count(&self, bytes: Bytes) -> Bytes {
        self.used.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted {
            bytes,
            budget: self.clone(),
        })
    }

    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        self.used() >= self.bytes_max
    }

    /// How much of the second half is in use, from 0 to 1: nobody need hurry before that.
    pub fn pressure(&self) -> f64 {
        let used = self.used() as f64 / self.bytes_max as f64;
        (2.0 * used - 1.0).clamp(0.0, 1.0)
    }

    /// How many bytes are in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(ENCODED_BYTES_MAX)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.budget
            .used
            .fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(budget: &Budget, length: usize) -> Result<Bytes, Full> {
        budget.make(|| Ok(vec![b'a'; length].into()))
    }

    #[test]
    fn bytes_are_counted_until_nobody_has_them() {
        let budget = Budget::new(100);
        let first = make(&budget, 60).expect("there is room");
        let shared = first.slice(10..20);
        drop(first);
        assert_eq!((budget.used(), shared.as_ref()), (60, &[b'a'; 10][..]));
        let second = make(&budget, 60).expect("there was room");
        assert!(budget.is_full());
        assert_eq!(make(&budget, 1), Err(Full));
        drop(shared);
        assert_eq!(make(&budget, 1).map(|it| it.len()), Ok(1));
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn pressure_begins_in_the_middle() {
        let budget = Budget::new(100);
        let pressure = |length| {
            let held = budget.count(vec![0; length].into());
            let pressure = budget.pressure();
            drop(held);
            pressure
        };
        assert_eq!(
            [0, 50, 75, 100, 200].map(pressure),
            [0.0, 0.0, 0.5, 1.0, 1.0]
        );
    }
}
