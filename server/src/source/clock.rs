//! The time of the log: the wall clock, as long as it goes with a clock that nobody can set.
//!
//! What the log has once taken with a time stays, and its times never go back: one vote taken
//! while the wall clock is a year ahead would make every later one a year late. So a wall clock
//! that jumps by more than [`JUMP_MAX_MS`] against the clock since boot is not believed, and
//! nothing is appended, until it has gone on as it is for [`HOLDS_MS`].
//!
//! The first reading of a process is compared with the log's last record: behind it is a jump, far
//! ahead of it is a service that did not run for a while.

use rustix::time::{ClockId, clock_gettime};

/// The largest step that is believed: clocks are set by less, and leap seconds are one.
pub const JUMP_MAX_MS: i64 = 60_000;

/// How long a clock that has jumped must go on evenly until it is believed.
pub const HOLDS_MS: i64 = 60_000;

/// Both clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Since the Unix epoch.
    pub wall_ms: i64,
    /// Since some moment; goes on evenly, also while the machine sleeps.
    pub steady_ms: i64,
}

/// Reads both clocks.
pub type Source = Box<dyn Fn() -> Reading + Send>;

/// By how much the wall clock has jumped, ahead if positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    pub by_ms: i64,
}

/// See the module.
pub struct Clock {
    source: Source,
    /// What the wall clock is ahead of the steady one, as far as it is believed.
    trusted_ms: Option<i64>,
    doubt: Option<Doubt>,
}

/// A jump that may be believed once it holds.
#[derive(Clone, Copy)]
struct Doubt {
    /// What the wall clock is ahead of the steady one since then.
    ahead_ms: i64,
    since_steady_ms: i64,
}

impl Clock {
    pub fn new(source: Source) -> Clock {
        Clock {
            source,
            trusted_ms: None,
            doubt: None,
        }
    }

    /// The clocks of the system.
    pub fn system() -> Clock {
        Clock::new(Box::new(|| Reading {
            wall_ms: wall_ms(),
            steady_ms: millis(STEADY),
        }))
    }

    /// The time, if it can be believed; `last_ms` is that of the log's last record.
    pub fn now(&mut self, last_ms: i64) -> Result<i64, Jump> {
        let Reading { wall_ms, steady_ms } = (self.source)();
        let ahead_ms = wall_ms.saturating_sub(steady_ms);
        let expected_ms = *self.trusted_ms.get_or_insert_with(|| {
            let is_behind = last_ms.saturating_sub(wall_ms) > JUMP_MAX_MS;
            let expected_ms = if is_behind { last_ms } else { wall_ms };
            expected_ms.saturating_sub(steady_ms)
        });
        let by_ms = ahead_ms.saturating_sub(expected_ms);
        if by_ms.saturating_abs() <= JUMP_MAX_MS {
            self.trusted_ms = Some(ahead_ms);
            self.doubt = None;
            return Ok(wall_ms);
        }
        let goes_on = |doubt: &Doubt| {
            let moved_ms = ahead_ms.saturating_sub(doubt.ahead_ms);
            moved_ms.saturating_abs() <= JUMP_MAX_MS
        };
        let doubt = *match self.doubt.filter(goes_on) {
            Some(doubt) => self.doubt.insert(doubt),
            None => self.doubt.insert(Doubt {
                ahead_ms,
                since_steady_ms: steady_ms,
            }),
        };
        if steady_ms.saturating_sub(doubt.since_steady_ms) < HOLDS_MS {
            return Err(Jump { by_ms });
        }
        self.trusted_ms = Some(ahead_ms);
        self.doubt = None;
        Ok(wall_ms)
    }
}

/// The wall clock, believed or not.
pub fn wall_ms() -> i64 {
    millis(ClockId::Realtime)
}

/// The clock that goes on while the machine sleeps, where there is one.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

fn millis(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1000)
        .saturating_add(time.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const NOON_MS: i64 = 1_383_508_800_000;
    const HOUR_MS: i64 = 3_600_000;

    /// Clocks that a test sets: the wall's and the steady one.
    struct Hands {
        clock: Clock,
        wall_ms: Arc<AtomicI64>,
        steady_ms: Arc<AtomicI64>,
    }

    impl Hands {
        fn new() -> Hands {
            let (wall_ms, steady_ms) = (Arc::new(AtomicI64::new(NOON_MS)), Arc::default());
            let (wall, steady) = (Arc::clone(&wall_ms), Arc::clone(&steady_ms));
            let source = move || Reading {
                wall_ms: wall.load(Ordering::Relaxed),
                steady_ms: AtomicI64::load(&steady, Ordering::Relaxed),
            };
            Hands {
                clock: Clock::new(Box::new(source)),
                wall_ms,
                steady_ms,
            }
        }

        /// Lets time pass.
        fn pass(&self, ms: i64) {
            self.wall_ms.fetch_add(ms, Ordering::Relaxed);
            self.steady_ms.fetch_add(ms, Ordering::Relaxed);
        }

        /// Sets the wall clock.
        fn set(&self, by_ms: i64) {
            self.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
        }

        fn now(&mut self) -> Result<i64, Jump> {
            self.clock.now(i64::MIN)
        }
    }

    #[test]
    fn a_clock_that_jumps_for_a_moment_is_not_believed() {
        for by_ms in [HOUR_MS, -HOUR_MS, JUMP_MAX_MS + 1] {
            let mut hands = Hands::new();
            assert_eq!(hands.now(), Ok(NOON_MS));
            hands.pass(500);
            hands.set(by_ms);
            assert_eq!(hands.now(), Err(Jump { by_ms }));
            hands.pass(HOLDS_MS - 1);
            assert_eq!(hands.now(), Err(Jump { by_ms }));
            hands.set(-by_ms);
            assert_eq!(hands.now(), Ok(NOON_MS + 500 + HOLDS_MS - 1));
            // A later jump begins anew.
            hands.set(by_ms);
            hands.pass(2);
            assert_eq!(hands.now(), Err(Jump { by_ms }));
        }
    }

    #[test]
    fn a_jump_that_holds_for_a_minute_is_believed() {
        for by_ms in [HOUR_MS, -HOUR_MS] {
            let mut hands = Hands::new();
            hands.now().unwrap();
            hands.set(by_ms);
            assert!(hands.now().is_err());
            // Another jump meanwhile: the minute begins again.
            hands.pass(HOLDS_MS / 2);
            hands.set(by_ms);
            assert!(hands.now().is_err());
            hands.pass(HOLDS_MS - 1);
            assert!(hands.now().is_err());
            hands.pass(1);
            let now_ms = NOON_MS + 2 * by_ms + HOLDS_MS / 2 + HOLDS_MS;
            assert_eq!(hands.now(), Ok(now_ms));
            hands.pass(1);
            assert_eq!(hands.now(), Ok(now_ms + 1));
        }
    }

    #[test]
    fn small_steps_and_a_long_sleep_are_no_jumps() {
        let mut hands = Hands::new();
        hands.now().unwrap();
        for by_ms in [JUMP_MAX_MS, -JUMP_MAX_MS, 1000] {
            hands.set(by_ms);
            assert!(hands.now().is_ok());
        }
        hands.pass(1000 * HOUR_MS);
        assert!(hands.now().is_ok());
    }

    #[test]
    fn a_start_long_after_the_last_record_is_no_jump_and_one_before_it_is() {
        let mut hands = Hands::new();
        assert_eq!(hands.clock.now(NOON_MS - 1000 * HOUR_MS), Ok(NOON_MS));
        let mut hands = Hands::new();
        assert_eq!(hands.clock.now(NOON_MS + JUMP_MAX_MS), Ok(NOON_MS));
        let mut hands = Hands::new();
        let behind = Err(Jump { by_ms: -HOUR_MS });
        assert_eq!(hands.clock.now(NOON_MS + HOUR_MS), behind);
        hands.pass(HOLDS_MS);
        assert_eq!(hands.clock.now(NOON_MS + HOUR_MS), Ok(NOON_MS + HOLDS_MS));
    }
}
