//! When a tick closes and what it is called: the one place where the clock has a say.
//!
//! The clock only numbers ticks (law 6). Ticks grow strictly, and never pass a ceiling that is
//! durable before; a start goes on above the ceiling (law 7).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::ceiling::Ceiling;

/// How far above the clock the ceiling is raised, so that it need not be often.
const CEILING_AHEAD_MS: u64 = 10_000;

/// How far below the ceiling a tick asks for the next one, so that none waits for the disk.
const CEILING_EARLY_MS: u64 = 5_000;

/// How far above a tick the ceiling is raised where ticks are ahead of the clock: they then grow
/// by one, so this lasts as long, and crashes in a row do not run away from the clock.
const CEILING_TICKS: u64 = 1_000;

/// How far behind the clock a tick may be. After a silence the ceiling is the one of before it, and
/// a tick waits for a higher one: results would else be said to be of a time before their votes.
const BEHIND_MS_MAX: u64 = 500;

/// The shortest time between two ticks: what a vote waits at most, and how many frames a second a
/// subscriber gets at most.
const SPACING: Duration = Duration::from_millis(10);

/// The same while much is waiting: larger ticks cost less a vote.
const SPACING_BEHIND: Duration = Duration::from_millis(40);

/// How long a tick that must wait for its ceiling looks away; it is woken before.
const CEILING_WAIT: Duration = Duration::from_millis(100);

/// Numbers the ticks.
pub(super) struct Ticker {
    ceiling: Ceiling,
    last: u64,
    last_at: Option<Instant>,
    /// The ceiling that is too low for the next tick.
    too_low: Option<u64>,
}

impl Ticker {
    /// A ticker whose ticks are above what is durable as the ceiling.
    pub(super) fn new(ceiling: Ceiling) -> Ticker {
        Ticker {
            last: ceiling.durable(),
            ceiling,
            last_at: None,
            too_low: None,
        }
    }

    /// Ends: a start after this one goes on right above the last tick.
    pub(super) fn end(&self) {
        self.ceiling.end(self.last);
    }

    /// How long until the next tick may close; zero: now.
    pub(super) fn wait(&self, behind: bool) -> Duration {
        let spacing = if behind { SPACING_BEHIND } else { SPACING };
        let spaced = self.last_at.map_or(Duration::ZERO, |last_at| {
            spacing.saturating_sub(last_at.elapsed())
        });
        if self
            .too_low
            .is_some_and(|ceiling| self.ceiling.durable() <= ceiling)
        {
            return spaced.max(CEILING_WAIT);
        }
        spaced
    }

    /// The next tick; `None` if its ceiling is not durable yet: results stay as they are
    /// meanwhile.
    pub(super) fn next(&mut self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |since| since.as_millis() as u64);
        let durable = self.ceiling.durable();
        // A tick may be a little behind the clock while a higher ceiling is on its way.
        let tick = now_ms.min(durable).max(self.last + 1);
        if durable < (now_ms + CEILING_EARLY_MS).max(tick + CEILING_TICKS / 2) {
            let to = (now_ms + CEILING_AHEAD_MS).max(tick + CEILING_TICKS);
            self.ceiling.raise(to);
        }
        let is_too_low = tick > durable || durable + BEHIND_MS_MAX < now_ms;
        self.too_low = is_too_low.then_some(durable);
        if is_too_low {
            return None;
        }
        self.last = tick;
        self.last_at = Some(Instant::now());
        Some(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Place;

    #[test]
    fn a_tick_after_a_silence_is_of_its_own_time() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let text = directory.path().display().to_string();
        let place = Place::open(&text, runtime.handle().clone()).unwrap();
        let clock_ms = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            since.as_millis() as u64
        };
        let a_minute_ago = clock_ms() - 60_000;
        let (ceiling, _thread) = Ceiling::start(place, a_minute_ago, |_| ()).unwrap();
        let mut ticker = Ticker::new(ceiling);
        let until = Instant::now() + Duration::from_secs(10);
        let tick = loop {
            if let Some(tick) = ticker.next() {
                break tick;
            }
            assert!(Instant::now() < until, "the ceiling does not rise");
            std::thread::sleep(ticker.wait(false).min(Duration::from_millis(1)));
        };
        assert!(clock_ms() - tick < 1_000, "{} ms behind", clock_ms() - tick);
        assert!(ticker.next().unwrap() > tick);
        ticker.end();
    }
}
