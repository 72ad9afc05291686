//! The evening on which an election is told: event times lie in it, always in the past.
//!
//! Comes in from the sums; goes on to the replay's clock. Knows nothing of the present.

use dataflow::time::parse_rfc3339;

/// A span of event time, with the local offset in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evening {
    /// When the first location may open, in milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// How long until the last location has told all, in milliseconds.
    pub length_ms: i64,
    /// Minutes east of Greenwich.
    pub offset_minutes: i32,
}

impl Evening {
    /// The shortest: the replay cuts it into slices of whole milliseconds.
    pub const HOURS_MIN: u32 = 1;
    /// The longest: a fortnight of an online poll.
    pub const HOURS_MAX: u32 = 14 * 24;

    /// An evening from its start as RFC 3339 text, whose offset it keeps, and its hours.
    pub fn starting(starts_at: &str, hours: u32) -> Option<Evening> {
        let starts_at_ms = parse_rfc3339(starts_at.as_bytes())?;
        let in_range = (Evening::HOURS_MIN..=Evening::HOURS_MAX).contains(&hours);
        in_range.then_some(Evening {
            starts_at_ms,
            length_ms: i64::from(hours) * 3_600_000,
            offset_minutes: offset_minutes(starts_at)?,
        })
    }

    /// When the last of its messages, the corrections after its end too, has been cast.
    ///
    /// The replay goes on for a sixth of the evening after it, since corrections follow their
    /// vote by at most that much.
    pub fn ends_at_ms(&self) -> i64 {
        self.starts_at_ms + self.length_ms + self.length_ms / 6 + 1
    }
}

fn offset_minutes(text: &str) -> Option<i32> {
    if text.ends_with(['Z', 'z']) {
        return Some(0);
    }
    let (_, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let hours: i32 = zone.get(1..3)?.parse().ok()?;
    let minutes: i32 = zone.get(4..6)?.parse().ok()?;
    let offset = hours * 60 + minutes;
    Some(if zone.starts_with('-') {
        -offset
    } else {
        offset
    })
}
