//! `GET /api/v1/stream`: server-sent events (WHATWG HTML, 9.2), shared by all who listen.
//!
//! Published ticks come in; each [`Group`] turns them into frames, once for all subscribers of
//! one contest and interval; a [`Subscriber`](subscriber) hands them to its connection as shared
//! bytes. One that falls behind, or comes back, gets the changes since its own tick merged into
//! one. Nobody waits for anybody: a group never looks at its subscribers, and a subscriber holds
//! no more than the frame that it is about to send.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataflow::answer::StreamSnapshot;
use dataflow::view::Views;
use tokio::sync::watch;
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, VARY,
};
use warp::reply::Response;

use super::answers::{self, Failures};
use super::files::takes_gzip;
use super::problem::Problem;
use super::query::Query;
use super::server::{Arrival, State};
use super::status::StatusSource;
use crate::publish::Publisher;
use group::{Group, Key};
use subscriber::{Coding, Place, Start};

pub use frame::{Alive, Reset};

mod frame;
mod group;
mod pace;
mod subscriber;

/// The intervals that there are, in milliseconds; what is asked for is rounded up to one of them.
/// Each interval of a contest costs a task and its own encodings, so what is free to choose must
/// not be free to choose from: there are at most so many groups for each contest.
const INTERVALS_MS: [u64; 11] = [
    0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000,
];

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// All open streams.
pub struct Streams {
    publisher: Publisher,
    status: Arc<dyn StatusSource>,
    shutdown: watch::Receiver<bool>,
    streams_max: usize,
    open: Arc<AtomicUsize>,
    groups: Mutex<HashMap<Key, Arc<Group>>>,
}

/// A subscriber's place among the open streams; given back when dropped.
pub struct Seat(Arc<AtomicUsize>);

impl Streams {
    /// No streams yet; they end themselves once `shutdown` holds true.
    pub fn new(
        publisher: Publisher,
        status: Arc<dyn StatusSource>,
        shutdown: watch::Receiver<bool>,
        streams_max: usize,
    ) -> Streams {
        let (open, groups) = Default::default();
        Streams {
            publisher,
            status,
            shutdown,
            streams_max,
            open,
            groups,
        }
    }

    fn sit(&self) -> Result<Seat, Problem> {
        // The seat is taken first, so that its drop gives it back in any case.
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(self.open.clone());
        if before >= self.streams_max {
            return Err(Problem::busy(
                "too-many-streams",
                "too many streams are open",
                "connect again later, or ask /api/v1/results from time to time",
            )
            .retry_after(10));
        }
        Ok(seat)
    }

    /// The group of a contest and interval, with its beats from now on.
    fn join(self: &Arc<Self>, key: Key) -> Result<(Arc<Group>, group::Beats), Problem> {
        let mut groups = self.lock();
        if let Some(group) = groups.get(&key) {
            return Ok((group.clone(), group.beats()));
        }
        let Some(tick) = self.publisher.current() else {
            return Err(Problem::catching_up(&self.publisher.progress()));
        };
        let budget = self.publisher.budget().clone();
        let group = Arc::new(Group::new(key.clone(), tick.number(), budget));
        let beats = group.beats();
        groups.insert(key, group.clone());
        tokio::spawn(group.clone().run(self.clone()));
        Ok((group, beats))
    }

    /// Takes a group out if nobody listens to it; nobody can join it meanwhile.
    fn retire(&self, group: &Group) -> bool {
        let mut groups = self.lock();
        let idle = group.is_idle();
        if idle {
            groups.remove(group.key());
        }
        idle
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Group>>> {
        // A map of handles stays whole whatever panics beside it.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Follows one contest live.
///
/// Server-sent events: `snapshot` first, then `change` with the rows that changed, whole;
/// `reset {tick, reason}` before another `snapshot` where the changes since are not known;
/// `alive {tick, now, lag}` every 5 s without id. `id` is the tick.
#[utoipa::path(get, path = "/api/v1/stream", tag = "results",
    params(
        ("contest" = Option<String>, Query, description = "The contest; the default if absent"),
        ("views" = Option<String>, Query, description = "Which parts, separated by commas: \
            results, locations, windows; all if absent"),
        ("interval_ms" = Option<u64>, Query, maximum = 60000,
         description = "At most one change in so many milliseconds, rounded up to 100, 200, 500, \
            1000, 2000, 5000, 10000, 20000, 30000 or 60000; 0, every tick, if absent"),
        ("after" = Option<u64>, Query, description = "The tick after which to go on"),
        ("Last-Event-ID" = Option<u64>, Header,
         description = "The tick after which to go on; goes before `after`"),
    ),
    responses(
        (status = 200, description = "Events; the data of `snapshot`, and of `change` with only what changed",
         body = StreamSnapshot, content_type = "text/event-stream"),
        Failures,
))]
pub fn stream(
    state: &State,
    arrival: &Arrival,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    query.only(&["contest", "views", "interval_ms", "after"])?;
    let tick = answers::current(state)?;
    let contest: Arc<str> = answers::contest(&tick, query)?.into();
    let views = views(query)?;
    let interval = interval(query)?;
    let start = start(query, headers)?;
    let seat = state.streams.sit()?;
    let (group, beats) = state.streams.join(Key {
        part: (contest, views),
        interval,
    })?;
    let place = Place {
        group,
        beats,
        _seat: seat,
        metrics: state.metrics.clone(),
    };
    let gzip = takes_gzip(headers);
    let coding = match gzip {
        true => Coding::Gzip(None),
        false => Coding::Plain,
    };
    let body = subscriber::frames(place, state.publisher.clone(), start, coding)?;
    arrival.connection.set_streaming(true);
    let mut response = warp::Reply::into_response(warp::reply::stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // Proxies of nginx' kind hold answers back unless told not to.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

/// The parts that are asked for: all by default.
fn views(query: &Query) -> Result<Views, Problem> {
    let Some(asked) = query.text("views")? else {
        return Ok(Views::ALL);
    };
    let mut views = Views {
        results: false,
        locations: false,
        windows: false,
    };
    for view in asked.split(',') {
        match view.trim() {
            "results" => views.results = true,
            "locations" => views.locations = true,
            "windows" => views.windows = true,
            _ => {
                let detail = "'views' is a list of results, locations and windows";
                return Err(Problem::parameter("views", detail));
            }
        }
    }
    Ok(views)
}

/// The interval that there is for the one that is asked for: no change comes sooner than that.
fn interval(query: &Query) -> Result<Duration, Problem> {
    let longest = INTERVALS_MS[INTERVALS_MS.len() - 1];
    let asked_ms = query.number("interval_ms", 0..=longest)?.unwrap_or(0);
    let at = INTERVALS_MS.partition_point(|interval_ms| *interval_ms < asked_ms);
    Ok(Duration::from_millis(INTERVALS_MS[at]))
}

/// Where the subscriber left off. A browser that reconnects repeats its `?after=` and adds the
/// header, which is newer.
fn start(query: &Query, headers: &HeaderMap) -> Result<Start, Problem> {
    let after = query.number("after", 0..=u64::MAX)?;
    let last = headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().unwrap_or_default());
    Ok(match (last, after) {
        // An id that is none of ours is no mistake of this request: begin again.
        (Some(last), _) if !last.is_empty() => last.parse().map_or(Start::Foreign, Start::After),
        (_, Some(after)) => Start::After(after),
        _ => Start::Now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_rounded_up_to_one_that_there_is() {
        let interval_ms = |asked: &str| {
            let pairs = vec![("interval_ms".to_string(), asked.to_string())];
            interval(&Query(pairs)).map(|it| it.as_millis()).ok()
        };
        for (asked, given) in [("", 0), ("0", 0), ("1", 100), ("100", 100), ("101", 200)] {
            assert_eq!(interval_ms(asked), Some(given), "{asked}");
        }
        assert_eq!(interval_ms("59999"), Some(60_000));
        assert_eq!(interval_ms("60001"), None);
    }
}
