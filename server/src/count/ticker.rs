//! When a tick closes and what it is called: the one place where the clock has a say.
//!
//! The clock only numbers ticks (law 6). Ticks grow strictly, and never pass a ceiling that is
//! durable before; a start goes on above the ceiling, so no tick comes twice even if the clock was
//! set back or the process was killed (law 7).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::facts::Facts;
use crate::source::LogError;

/// How far above the clock the ceiling is raised, so that it need not be often.
const CEILING_AHEAD_MS: u64 = 10_000;

/// How far above a tick the ceiling is raised where ticks are ahead of the clock: they then grow
/// by one, so this lasts as long, and crashes in a row do not run away from the clock.
const CEILING_TICKS: u64 = 1_000;

/// The shortest time between two ticks: what a vote waits at most, and how many frames a second a
/// subscriber gets at most.
const SPACING: Duration = Duration::from_millis(10);

/// The same while much is waiting: larger ticks cost less a vote.
const SPACING_BEHIND: Duration = Duration::from_millis(40);

/// How long ticks rest after the ceiling could not be stored, on a full disk say.
const RETRY: Duration = Duration::from_secs(1);

/// Numbers the ticks.
pub(super) struct Ticker {
    facts: Facts,
    last: u64,
    ceiling: u64,
    last_at: Option<Instant>,
    retry_at: Option<Instant>,
}

impl Ticker {
    /// A ticker whose ticks are above `last`.
    pub(super) fn new(facts: Facts, last: u64) -> Ticker {
        Ticker {
            facts,
            last,
            ceiling: last,
            last_at: None,
            retry_at: None,
        }
    }

    /// Ends: a start after this one goes on right above the last tick.
    pub(super) fn end(self) {
        if let Err(error) = self.facts.set_tick_ceiling(self.last) {
            // The higher ceiling stays, and holds as well.
            tracing::warn!(%error, "the next start goes on above a higher tick");
        }
    }

    /// How long until the next tick may close; zero: now.
    pub(super) fn wait(&self, behind: bool) -> Duration {
        let spacing = if behind { SPACING_BEHIND } else { SPACING };
        let spaced = self.last_at.map_or(Duration::ZERO, |last_at| {
            spacing.saturating_sub(last_at.elapsed())
        });
        let rested = self.retry_at.map_or(Duration::ZERO, |retry_at| {
            retry_at.saturating_duration_since(Instant::now())
        });
        spaced.max(rested)
    }

    /// The next tick; `None` if its ceiling cannot be stored now, but may be in a while: results
    /// stay as they are meanwhile.
    pub(super) fn next(&mut self) -> Result<Option<u64>, LogError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |since| since.as_millis() as u64);
        let tick = now_ms.max(self.last + 1);
        if tick > self.ceiling {
            let ceiling = (now_ms + CEILING_AHEAD_MS).max(tick + CEILING_TICKS);
            match self.facts.set_tick_ceiling(ceiling) {
                Ok(()) => self.ceiling = ceiling,
                Err(error) if error.is_transient() => {
                    tracing::error!(%error, "no tick can be closed until the log takes its ceiling");
                    self.retry_at = Some(Instant::now() + RETRY);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        self.retry_at = None;
        self.last = tick;
        self.last_at = Some(Instant::now());
        Ok(Some(tick))
    }
}
