//! `POST /api/v1/votes`: a body comes in, messages go to the log, an acknowledgement goes out.
//!
//! Every event of a request is decoded before any is stored: one bad line refuses the whole.
//! What is acknowledged is durable. Nothing is counted here; the workers read it from the log
//! as they read everything.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Buf, Bytes};
use dataflow::accept::{Aside, Foreseen};
use dataflow::wire::Format;
use futures_util::Stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoResponses, ToSchema};
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use warp::reply::Response;

use super::answers::JSON;
use super::body::{self, Body};
use super::lines::{self, Events, Reading, Refused};
use super::problem::Problem;
use super::rules::{self, Form};
use super::server::{Arrival, State};
use crate::publish::{Tick, json};
use crate::source::{Appended, LogError};
use crate::told::chain;

/// Bodies up to here are decoded where they arrive, in some tens of microseconds; larger ones
/// on a thread that holds up no other request.
const INLINE_BYTES_MAX: usize = 16 << 10;

/// What was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stored {
    /// How many events.
    pub stored: u64,
    /// By `topic/partition`, the offset after the last of them: they are counted once the
    /// results' `offsets` reach these.
    pub offsets: BTreeMap<String, i64>,
    /// By event: why the register in force would not let it count; null where it does, and of
    /// voids. Whether other events of the voter, or the roll, let it count is not asked.
    pub would_be: Vec<Option<WouldBe>>,
    /// Of a single event, what that means; absent where there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
}

/// What would become of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldBe {
    /// The reason for which it is set aside until the register lets it count.
    #[schema(value_type = String)]
    pub set_aside: &'static str,
}

/// Why nothing was stored, or perhaps not all.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its description is used")]
pub enum Failures {
    /// A line is no valid event: `line` and `reason` say which and why. Nothing is stored.
    #[response(status = 400, content_type = "application/problem+json")]
    BadLine(#[to_schema] Problem),
    /// The token is missing or wrong. Nothing is stored.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// While the service listens on loopback: the request comes by a foreign name or from a
    /// foreign page. Nothing is stored.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The body did not arrive in time. Nothing is stored.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(#[to_schema] Problem),
    /// The body is too large. Nothing is stored.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body is neither of the two content types. Nothing is stored.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(#[to_schema] Problem),
    /// Too much at once, or the log takes nothing now; try again after `Retry-After`. Some may be
    /// stored: send the same again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
    /// The disk or the memory is full. Some may be stored: send the same again.
    #[response(status = 507, content_type = "application/problem+json")]
    Full(#[to_schema] Problem),
}

/// Stores events.
///
/// One event as `application/json`, or many as `application/x-ndjson`, an event a line. The
/// answer comes once they are durable. After a 4xx nothing of the request is stored; after a 5xx
/// some may be, and the same may be sent again: identical events count once.
#[utoipa::path(post, path = "/api/v1/votes", tag = "voting",
    request_body(content(
        (Object = "application/json", example = json!({
            "vote_id": "b1946ac9-0f3a-4b1e-9f3d-1f6f0f0a2c11", "voter_id": "7f9c2ba4", "candidate_id": "coderre",
            "location": "213", "timestamp": "2013-11-03T14:05:09.123-05:00"})),
        (String = "application/x-ndjson"),
    )),
    security(("token" = [])),
    responses((status = 202, description = "Stored", body = Stored), Failures,
))]
pub async fn post<S, B>(
    state: State,
    arrival: Arrival,
    headers: HeaderMap,
    body: S,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf,
{
    let mut body = pin!(body);
    let (form, read, _writing) = match read(&state, &arrival, &headers, &mut body).await {
        Ok(read) => read,
        Err(problem) => {
            body::discard(&mut body, &headers, &state.settings.limits).await;
            return Err(problem);
        }
    };
    let now_ms = state.writer.now_ms().map_err(unstored)?;
    let format = Arc::clone(&state.settings.format);
    let tick = state.publisher.latest();
    let events = decode((format, tick), form, read.bytes.clone(), now_ms).await?;
    let Events { messages, foreseen } = events;
    let count = messages.len() as u64;
    let appended = state
        .writer
        .append(messages, now_ms)
        .await
        .map_err(unstored)?;
    state.metrics.votes_stored.increment(count);
    Ok(accepted(&state.settings.topic, appended, &foreseen))
}

/// Reads the body of a request that may write. Its place among those that write is taken when the
/// body is whole: how long a body takes is up to its sender.
async fn read<S, B>(
    state: &State,
    arrival: &Arrival,
    headers: &HeaderMap,
    body: &mut Pin<&mut S>,
) -> Result<(Form, Body, OwnedSemaphorePermit), Problem>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf,
{
    let form = rules::check(&state.token, state.settings.is_loopback(), headers)?;
    if state.memory.is_full() {
        return Err(memory_full());
    }
    let (limits, from) = (&state.settings.limits, arrival.client);
    let body = body::read(body, from, headers, limits, &state.bodies).await?;
    let Ok(writing) = state.writes.clone().try_acquire_owned() else {
        return Err(Problem::busy(
            "too-many-writes",
            "too many requests write at once",
            "send the same again in a moment, over fewer connections",
        ));
    };
    Ok((form, body, writing))
}

/// What is stored is counted in memory, so nothing is stored that could not be counted.
fn memory_full() -> Problem {
    let status = StatusCode::INSUFFICIENT_STORAGE;
    let title = "the memory is full, and nothing of the request is stored";
    let detail = "what was acknowledged is counted and served; send the same again once the \
                  operator has given the service more memory";
    Problem::new(status, "memory-full", title, detail).retry_after(30)
}

async fn decode(
    (format, tick): (Arc<Format>, Option<Arc<Tick>>),
    form: Form,
    body: Bytes,
    now_ms: i64,
) -> Result<Events, Problem> {
    let inline = body.len() <= INLINE_BYTES_MAX;
    let read = move || {
        let reading = Reading {
            format: &format,
            directory: tick.as_ref().map(|tick| &**tick.snapshot().directory()),
            now_ms,
        };
        match form {
            Form::One => lines::one(&reading, &body),
            Form::Lines => lines::many(&reading, &body),
        }
    };
    let decoded = if inline {
        read()
    } else {
        match tokio::task::spawn_blocking(read).await {
            Ok(decoded) => decoded,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    };
    decoded.map_err(refused)
}

fn accepted(topic: &str, appended: Appended, foreseen: &[Foreseen]) -> Response {
    let offsets = appended.next_offsets.iter();
    let stored = Stored {
        stored: appended.stored,
        offsets: offsets
            .map(|(partition, next)| (format!("{topic}/{partition}"), *next))
            .collect(),
        would_be: foreseen.iter().map(WouldBe::of).collect(),
        message: match foreseen {
            [one] => message(one),
            _ => None,
        },
    };
    let mut response = Response::new(json(&stored).into());
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl WouldBe {
    fn of(foreseen: &Foreseen) -> Option<WouldBe> {
        let set_aside = foreseen.aside?.as_str();
        Some(WouldBe { set_aside })
    }
}

/// What is foreseen, for people.
fn message(foreseen: &Foreseen) -> Option<&'static str> {
    match foreseen.aside {
        None if foreseen.is_alone => Some(
            "every vote counts in this contest, but one without a vote_id or a timestamp of its \
             own counts once a voter: another like it is a copy",
        ),
        None => None,
        Some(Aside::UnknownContest) => Some(
            "stored, but set aside: the register has no contest of that id, or none is named and \
             there is no default",
        ),
        Some(Aside::UnknownCandidate) => {
            Some("stored, but set aside: no such candidate stands in the contest")
        }
        Some(Aside::UnknownLocation) => Some(
            "stored, but set aside: the location is missing, or unknown, or no leaf, or the \
             election has none",
        ),
        Some(Aside::UnknownVoter) => {
            Some("stored, but set aside: the voter is not on the election's roll")
        }
        Some(Aside::OutsideHours) => {
            Some("stored, but set aside: its time is before the opening, or at or after the close")
        }
    }
}

fn refused(refused: Refused) -> Problem {
    let title = "an event is refused, and nothing of the request is stored";
    Problem::new(
        StatusCode::BAD_REQUEST,
        "refused-event",
        title,
        refused.detail,
    )
    .event(refused.line, refused.reason)
}

/// What the caller is told of the log's failure; the log file gets the whole chain.
fn unstored(error: LogError) -> Problem {
    let title = "the log did not take the events";
    let again = "send the same again: what is stored already counts once";
    match &error {
        LogError::Busy => {
            return Problem::busy("busy", "the log is busy", "send the same again in a moment");
        }
        // The log has said it already, once.
        LogError::ClockJump { .. } => {
            let title = "the clock of the machine is not believed";
            return Problem::busy("clock-jump", title, &error).retry_after(10);
        }
        LogError::TooLarge { .. } => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Problem::new(status, "too-large", "the request is too large", &error);
        }
        _ => (),
    }
    tracing::error!(error = %chain(&error), "storing votes failed");
    match error {
        LogError::Full { .. } => {
            let status = StatusCode::INSUFFICIENT_STORAGE;
            let detail = format!("the disk is full; {again} once there is space");
            Problem::new(status, "disk-full", title, detail).retry_after(30)
        }
        _ => Problem::busy("log-failure", title, again).retry_after(10),
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
