//! Events as bytes: what a subscriber reads, written once.

use bytes::Bytes;
use dataflow::answer::{Correction, LocationRow, Removed, RestRow, Results, StreamChange, Windows};
use dataflow::time::format_rfc3339;
use dataflow::view::Views;
use serde::Serialize;
use utoipa::ToSchema;

use crate::publish::{Delta, Encoded, Part, Publisher, Since, Tick, Unanswered, json, merge};

/// How long a browser waits before it reconnects: the first line of the first event.
pub const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n");

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

/// The data of a `snapshot` or `change` event: what a stream is of.
#[derive(Serialize)]
struct Shown<'a> {
    tick: u64,
    as_of: &'a str,
    register_version: &'a str,
    contest_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a Results>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locations: Option<&'a [LocationRow]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rest: &'a [RestRow],
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<&'a Windows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<&'a Removed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrections: Option<&'a [Correction]>,
}

/// The `snapshot` event.
pub fn snapshot(tick: &Tick, part: &Part) -> Result<Encoded, Unanswered> {
    let views = part.1;
    tick.beginning(part, |snapshot| {
        let shown = Shown {
            tick: snapshot.tick,
            as_of: &snapshot.as_of,
            register_version: &snapshot.register_version,
            contest_id: &snapshot.contest_id,
            results: views.results.then_some(&snapshot.results),
            locations: views.locations.then_some(&snapshot.locations),
            rest: &snapshot.rest,
            windows: views.windows.then_some(&snapshot.windows),
            removed: None,
            corrections: None,
        };
        event("snapshot", Some(tick.number()), &json(&shown))
    })
}

/// The data of a `change` event.
fn changed(change: &StreamChange, views: Views) -> Shown<'_> {
    Shown {
        tick: change.tick,
        as_of: &change.as_of,
        register_version: &change.register_version,
        contest_id: &change.contest_id,
        results: views.results.then_some(&change.results),
        locations: views.locations.then_some(&change.locations),
        rest: &change.rest,
        windows: views.windows.then_some(&change.windows),
        removed: Some(&change.removed),
        corrections: views.results.then_some(&change.corrections),
    }
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

/// The way of a part from the tick `from` to this one, merged and encoded once for all who stand
/// there.
pub fn delta(publisher: &Publisher, tick: &Tick, part: &Part, from: u64) -> Delta {
    let (contest, views) = part;
    tick.delta(part, from, || {
        let changes = match publisher.since(contest, from, tick.number()) {
            Since::Changes(changes) => merge(&changes),
            Since::Nothing => return Err(Delta::Nothing),
            Since::TooOld => return Err(Delta::Lost("too_old")),
            Since::UnknownTick => return Err(Delta::Lost("unknown_tick")),
        };
        match tick.snapshot().stream_change(contest, &changes, *views) {
            Ok(change) => {
                let data = json(&changed(&change, *views));
                Ok(event("change", Some(tick.number()), &data))
            }
            Err(_) => Err(Delta::Lost("contest_gone")),
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
