//! Events as bytes: what a subscriber reads, written once.

use std::sync::Arc;

use bytes::Bytes;
use dataflow::time::format_rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::publish::{Delta, Publisher, Since, Tick, Unanswered, json, merge};

/// How long a browser waits before it reconnects.
pub const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// The data of a `reset` event: the changes since the subscriber's tick cannot be told.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reset {
    /// The tick of the snapshot that follows.
    pub tick: u64,
    /// `too_old`, `unknown_tick` or `contest_gone`.
    pub reason: &'static str,
}

/// The data of an `alive` event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// The newest tick of the service.
    pub tick: u64,
    /// The service's clock.
    pub now: String,
    /// Messages in the log that are not counted yet.
    pub lag: i64,
}

/// The `snapshot` event.
pub fn snapshot(tick: &Tick, contest: &Arc<str>) -> Result<Bytes, Unanswered> {
    tick.beginning(contest, |snapshot| {
        event("snapshot", Some(tick.number()), &json(snapshot))
    })
}

/// The `reset` event.
pub fn reset(tick: u64, reason: &'static str) -> Bytes {
    event("reset", None, &json(&Reset { tick, reason }))
}

/// The `alive` event.
pub fn alive(tick: u64, now_ms: i64, lag: i64) -> Bytes {
    event(
        "alive",
        None,
        &json(&Alive {
            tick,
            now: format_rfc3339(now_ms),
            lag,
        }),
    )
}

/// The way of a contest from the tick `from` to this one, merged and encoded once for all who
/// stand there.
pub fn delta(publisher: &Publisher, tick: &Tick, contest: &Arc<str>, from: u64) -> Delta {
    tick.delta(contest, from, || {
        let changes = match publisher.since(contest, from, tick.number()) {
            Since::Changes(changes) => merge(&changes),
            Since::Nothing => return Delta::Nothing,
            Since::TooOld => return Delta::Lost("too_old"),
            Since::UnknownTick => return Delta::Lost("unknown_tick"),
        };
        match tick.snapshot().stream_change(contest, &changes) {
            Ok(change) => Delta::Frame(event("change", Some(tick.number()), &json(&change))),
            Err(_) => Delta::Lost("contest_gone"),
        }
    })
}

/// An event in the form of the stream. JSON of ours holds no line break, so its data is a line.
fn event(name: &str, id: Option<u64>, data: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(data.len() + 64);
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    text.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    text.extend_from_slice(data);
    text.extend_from_slice(b"\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_and_end_with_a_blank_one() {
        let reset = reset(17, "too_old");
        assert_eq!(
            reset,
            "event: reset\ndata: {\"tick\":17,\"reason\":\"too_old\"}\n\n"
        );
        let alive = alive(17, 1_383_508_800_123, 5);
        let data = r#"{"tick":17,"now":"2013-11-03T20:00:00.123Z","lag":5}"#;
        assert_eq!(alive, format!("event: alive\ndata: {data}\n\n"));
        assert_eq!(
            event("change", Some(9), b"{}"),
            "id: 9\nevent: change\ndata: {}\n\n"
        );
    }
}
