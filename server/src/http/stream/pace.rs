//! When the next change may go out: at most one in an interval, the first at once.
//!
//! Pure: told what happens and when, it says until when to wait. Asks no clock.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of a group, or of a subscriber beside its group.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    next_at: Option<Instant>,
}

impl Pace {
    /// A pace whose first change goes out at once.
    pub fn new(interval: Duration) -> Pace {
        Pace {
            interval,
            next_at: None,
        }
    }

    /// Until when a change has to wait; `None` if it may go out now.
    pub fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.next_at.filter(|next_at| now < *next_at)
    }

    /// A change went out.
    pub fn sent(&mut self, at: Instant) {
        self.next_at = Some(at + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When changes go out, in milliseconds, if something changes at these.
    fn sent(interval_ms: u64, changed: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pace = Pace::new(Duration::from_millis(interval_ms));
        let (mut sent, mut waiting) = (Vec::new(), None::<Instant>);
        let end = at(u64::MAX / 4_000_000_000);
        for now in changed.iter().map(|ms| at(*ms)).chain([end]) {
            if let Some(due) = waiting.filter(|due| *due <= now) {
                sent.push(due);
                pace.sent(due);
                waiting = None;
            }
            match pace.wait_until(now) {
                _ if now == end => (),
                Some(due) => waiting = Some(due),
                None => {
                    sent.push(now);
                    pace.sent(now);
                }
            }
        }
        sent.iter()
            .map(|at| (*at - start).as_millis() as u64)
            .collect()
    }

    #[test]
    fn the_first_goes_at_once_and_the_rest_at_most_once_an_interval() {
        assert_eq!(sent(0, &[5, 6, 7]), [5, 6, 7]);
        assert_eq!(sent(100, &[5, 6, 7, 50]), [5, 105]);
        assert_eq!(sent(100, &[5, 105, 106]), [5, 105, 205]);
        assert_eq!(sent(100, &[5, 500, 510]), [5, 500, 600]);
        assert_eq!(sent(100, &[5, 104, 106]), [5, 105, 205]);
    }
}
