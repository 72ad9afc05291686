//! The questions about the votes: a query comes in, JSON made once a tick goes out.
//!
//! Each answers from one tick that it takes at its start, with that tick's entity tag; none of
//! them computes anything.

use bytes::Bytes;
use dataflow::answer::{Contests, Elections, Locations, Results, Series, Windows};
use dataflow::view::Unknown;
use utoipa::IntoResponses;
use warp::http::StatusCode;
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    VARY,
};
use warp::reply::Response;

use super::etag;
use super::files::takes_gzip;
use super::problem::Problem;
use super::query::Query;
use super::server::State;
use crate::publish::{Full, Question, Tick, Unanswered};

/// The content type of every answer.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The most windows in one answer.
const WINDOWS_MAX: usize = 1000;

/// The windows in an answer where the question does not say: as many as a stream begins with.
const WINDOWS_DEFAULT: usize = 120;

/// The longest step of a series: a year, so that no sum of steps leaves an i64.
const STEP_MS_MAX: i64 = 366 * 24 * 3600 * 1000;

/// What can be wrong with a question.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its description is used")]
pub enum Failures {
    /// A query parameter is wrong, or `contest` is left out where there is no default.
    #[response(status = 400, content_type = "application/problem+json")]
    BadParameter(#[to_schema] Problem),
    /// No such contest or location.
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(#[to_schema] Problem),
    /// Catching up after a start, with `Retry-After` and progress; or a limit is reached.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// Lists elections, contests and candidates.
#[utoipa::path(get, path = "/api/v1/elections", tag = "results", responses(
    (status = 200, description = "Elections with contests and candidates", body = Elections),
    (status = 304, description = "Unchanged since the tick of `If-None-Match`"), Failures,
))]
pub fn elections(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    query.only(&[])?;
    let tick = current(state)?;
    answer(&tick, Question::Elections, headers)
}

/// Counts all contests, without their places and times.
#[utoipa::path(get, path = "/api/v1/contests", tag = "results", responses(
    (status = 200, description = "The head of each contest, with its first two candidates", body = Contests),
    (status = 304, description = "Unchanged since the tick of `If-None-Match`"), Failures,
))]
pub fn contests(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    query.only(&[])?;
    let tick = current(state)?;
    answer(&tick, Question::Contests, headers)
}

/// Counts and ranks one contest.
#[utoipa::path(get, path = "/api/v1/results", tag = "results",
    params(("contest" = Option<String>, Query, description = "The contest; the default if absent")),
    responses(
        (status = 200, description = "Counts and ranking", body = Results),
        (status = 304, description = "Unchanged since the tick of `If-None-Match`"), Failures,
))]
pub fn results(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    query.only(&["contest"])?;
    let tick = current(state)?;
    let contest = contest(&tick, query)?;
    answer(&tick, Question::Results { contest }, headers)
}

/// Counts one contest by location.
#[utoipa::path(get, path = "/api/v1/locations", tag = "results",
    params(
        ("contest" = Option<String>, Query, description = "The contest; the default if absent"),
        ("parent" = Option<String>, Query,
         description = "The location whose children are asked for; the roots if absent, all if `*`"),
    ),
    responses(
        (status = 200, description = "Locations with their counts", body = Locations),
        (status = 304, description = "Unchanged since the tick of `If-None-Match`"), Failures,
))]
pub fn locations(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    query.only(&["contest", "parent"])?;
    let tick = current(state)?;
    let contest = contest(&tick, query)?;
    let parent = query.text("parent")?.map(str::to_string);
    answer(&tick, Question::Locations { contest, parent }, headers)
}

/// Counts one contest by window of event time.
#[utoipa::path(get, path = "/api/v1/windows", tag = "results",
    params(
        ("contest" = Option<String>, Query, description = "The contest; the default if absent"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000,
         description = "How many windows at most, the newest; 120 if absent"),
    ),
    responses(
        (status = 200, description = "Windows, newest first", body = Windows),
        (status = 304, description = "Unchanged since the tick of `If-None-Match`"), Failures,
))]
pub fn windows(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    query.only(&["contest", "limit"])?;
    let tick = current(state)?;
    let contest = contest(&tick, query)?;
    let limit = query
        .number("limit", 1..=WINDOWS_MAX)?
        .unwrap_or(WINDOWS_DEFAULT);
    answer(&tick, Question::Windows { contest, limit }, headers)
}

/// Follows one contest over event time.
#[utoipa::path(get, path = "/api/v1/series", tag = "results",
    params(
        ("contest" = Option<String>, Query, description = "The contest; the default if absent"),
        ("step" = Option<i64>, Query, minimum = 1,
         description = "Length of a step in milliseconds, a multiple of the slide; chosen if absent"),
    ),
    responses(
        (status = 200, description = "Points in time, at most 2,000", body = Series),
        (status = 304, description = "Unchanged since the tick of `If-None-Match`"), Failures,
))]
pub fn series(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    query.only(&["contest", "step"])?;
    let tick = current(state)?;
    let contest = contest(&tick, query)?;
    let step_ms = query.number("step", 1..=STEP_MS_MAX)?;
    answer(&tick, Question::Series { contest, step_ms }, headers)
}

/// The current tick, or how far the start has come.
pub fn current(state: &State) -> Result<std::sync::Arc<Tick>, Problem> {
    let catching_up = || Problem::catching_up(&state.publisher.progress());
    state.publisher.current().ok_or_else(catching_up)
}

/// The contest that a query asks about.
pub fn contest(tick: &Tick, query: &Query) -> Result<String, Problem> {
    let asked = query.text("contest")?;
    tick.snapshot()
        .contest_id(asked)
        .map(str::to_string)
        .map_err(unknown)
}

/// Counts an answer that was made for one who asks, unless there is no room for it.
pub fn counted(state: &State, body: Bytes) -> Result<Bytes, Problem> {
    state.publisher.budget().make(|| Ok(body)).map_err(full)
}

/// An answer that nobody may keep.
pub fn fresh(content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that may be kept and must be asked about again, or 304 for who has it.
pub fn tagged(content_type: HeaderValue, body: Bytes, tag: &str, asked: &HeaderMap) -> Response {
    let mut response = if etag::matches(asked, tag) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(body.into());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// Why there is no answer, for the caller.
pub fn unanswered(unanswered: Unanswered) -> Problem {
    match unanswered {
        Unanswered::Unknown(unknown) => self::unknown(unknown),
        Unanswered::Full => full(Full),
    }
}

/// There is no room for another answer, for the caller.
pub fn full(_: Full) -> Problem {
    Problem::busy(
        "too-many-answers",
        "too many answers are being sent to slow readers",
        "ask again in a moment",
    )
}

/// Why the snapshot has no answer, for the caller.
pub fn unknown(unknown: Unknown) -> Problem {
    match unknown {
        Unknown::Contest => Problem::not_found(
            "unknown-contest",
            "there is no such contest",
            "the register has no contest of that id: /api/v1/elections lists them",
        ),
        Unknown::DefaultContest => Problem::parameter(
            "contest",
            "there is no default contest: name one of those that /api/v1/elections lists",
        ),
        Unknown::Location => Problem::not_found(
            "unknown-location",
            "there is no such location",
            "the contest's election has no location of that code: /api/v1/locations?parent=* \
             lists them",
        ),
        Unknown::Step => Problem::parameter(
            "step",
            "'step' must be a multiple of the contest's slide_ms that gives at most 2,000 points",
        ),
    }
}

/// What shared caches may do with results: one that many ask answers them all for a second, and
/// asks again meanwhile. A browser asks each time.
const SHARED: HeaderValue =
    HeaderValue::from_static("public, max-age=0, s-maxage=1, stale-while-revalidate=4");

fn answer(tick: &Tick, question: Question, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = match question {
        // Weak, since the answer names its tick, and all else is the register's.
        Question::Elections => format!("W/\"{}\"", tick.snapshot().register_version()),
        _ => tick.etag().to_string(),
    };
    let encoded = tick.answer(question).map_err(unanswered)?;
    let gzip = encoded.is_worth_it() && takes_gzip(headers);
    // Other bytes, so another tag.
    let tag = match gzip {
        true => format!("{}-gzip\"", tag.trim_end_matches('"')),
        false => tag,
    };
    let body = match gzip {
        _ if etag::matches(headers, &tag) => Bytes::new(),
        true => encoded.gzip().clone(),
        false => encoded.plain().clone(),
    };
    let mut response = tagged(JSON, body, &tag, headers);
    let has_body = response.status().is_success();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, SHARED);
    headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    if gzip && has_body {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
