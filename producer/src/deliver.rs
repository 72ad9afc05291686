//! From a replay to a target, at a pace.
//!
//! Comes in as both; goes on as batches, evenly spaced where a rate is asked for. Prints nothing
//! and ends when told to.

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::replay::Replay;
use crate::target::{Delivery, Target, TargetError};

/// A batch at full speed has so many messages, about 700 KB.
const BATCH_MESSAGES_MAX: u64 = 4096;

/// A paced batch is sent so many times a second, so that a page sees a flow and not jerks.
const BATCHES_PER_SECOND: u64 = 50;

/// How fast messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the target takes them.
    Max,
    /// So many messages a second, evenly.
    PerSecond(NonZeroU64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(typed: &str) -> Result<Rate, String> {
        if typed == "max" {
            return Ok(Rate::Max);
        }
        let number: Result<NonZeroU64, _> = typed.replace(['_', ','], "").parse();
        number
            .map(Rate::PerSecond)
            .map_err(|_| "a rate is a whole number of messages a second from 1, or max".to_string())
    }
}

/// Sends what is left of a replay and waits until it is stored. `watch` is told the replay's
/// position before every batch, and may end the sending; what is sent by then is finished.
pub fn deliver(
    replay: &mut Replay,
    target: &mut dyn Target,
    rate: Rate,
    watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Delivery, TargetError> {
    let started = Instant::now();
    let first = replay.position();
    let mut batch = Batch::new();
    loop {
        if watch(replay.position()).is_break() {
            break;
        }
        let messages_max = match rate {
            Rate::Max => BATCH_MESSAGES_MAX,
            Rate::PerSecond(rate) => {
                let wait = due(replay.position() - first, rate).saturating_sub(started.elapsed());
                std::thread::sleep(wait);
                (rate.get() / BATCHES_PER_SECOND).clamp(1, BATCH_MESSAGES_MAX)
            }
        };
        if replay.fill(&mut batch, messages_max as usize) == 0 {
            break;
        }
        target.send(&batch)?;
    }
    watch(replay.position()).is_break();
    target.finish()
}

/// When, from the start on, the message of a number is due.
fn due(number: u64, rate: NonZeroU64) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(nanos.min(u128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use super::{Rate, due};

    #[test]
    fn messages_are_due_evenly() {
        let rate = NonZeroU64::new(4000).expect("it is not zero");
        assert_eq!(due(0, rate), Duration::ZERO);
        assert_eq!(due(1000, rate), Duration::from_millis(250));
        assert_eq!(due(360_000, rate), Duration::from_secs(90));
    }

    #[test]
    fn rates_are_numbers_or_max() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        let thousand = NonZeroU64::new(1000).map(Rate::PerSecond);
        assert_eq!("1_000".parse().ok(), thousand);
        assert!("0".parse::<Rate>().is_err());
        assert!("fast".parse::<Rate>().is_err());
    }
}
