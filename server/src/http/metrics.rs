//! `/metrics`: what operators watch, in Prometheus' text format.
//!
//! Counters are kept where things happen, through handles that cost an addition. What the
//! newest tick knows anyway (outcomes, lag) is read when somebody asks, never on the road.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, counter, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use warp::http::StatusCode;
use warp::http::header::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::answers;
use super::problem::Problem;
use super::query::Query;
use super::server::State;
use super::status;
use crate::source::wall_ms;

/// Edges of the publishing time's histogram, in seconds.
const PUBLISH_SECONDS: [f64; 8] = [1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.25];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder of this process, once, and gives its handle; `None` if another
/// recorder is in the way.
pub fn install() -> Option<PrometheusHandle> {
    let install = || {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(
                Matcher::Full("tallyflow_publish_seconds".to_string()),
                &PUBLISH_SECONDS,
            )
            .ok()?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        Some(handle)
    };
    RECORDER.get_or_init(install).clone()
}

/// Handles on what the server counts.
#[derive(Clone)]
pub struct Metrics {
    /// Votes stored by POST.
    pub votes_stored: Counter,
    /// Frames handed to subscribers.
    pub frames_sent: Counter,
    /// Their bytes, as they are sent.
    pub stream_bytes_sent: Counter,
    /// Streams that are open.
    pub streams_open: Gauge,
    /// Subscribers that took nothing for too long and were dropped.
    pub streams_dropped: Counter,
    /// Connections that took a whole answer too slowly and were cut.
    pub answers_cut: Counter,
    /// Connections that are open.
    pub connections_open: Gauge,
    /// Connections without a place.
    pub connections_refused: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            votes_stored: counter!("tallyflow_votes_stored_total"),
            frames_sent: counter!("tallyflow_frames_sent_total"),
            stream_bytes_sent: counter!("tallyflow_stream_bytes_sent_total"),
            streams_open: gauge!("tallyflow_streams_open"),
            streams_dropped: counter!("tallyflow_streams_dropped_total"),
            answers_cut: counter!("tallyflow_answers_cut_total"),
            connections_open: gauge!("tallyflow_connections_open"),
            connections_refused: counter!("tallyflow_connections_refused_total"),
        }
    }
}

/// Counts an answered request.
pub fn count_request(route: &'static str, method: &'static str, status: StatusCode) {
    let status = status.as_str().to_string();
    counter!("tallyflow_http_requests_total", "route" => route, "method" => method, "status" => status)
        .increment(1);
}

/// Renders everything that is measured.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "Metrics in Prometheus' text format", body = String,
     content_type = "text/plain"),
))]
pub fn metrics(state: &State, _: &Query, _: &HeaderMap) -> Result<Response, Problem> {
    read_tick(state);
    let text = state
        .recorder
        .as_ref()
        .map(PrometheusHandle::render)
        .unwrap_or_default();
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    // Counted and never refused: how full the memory is must be seen when it is full.
    let body = state.publisher.budget().count(text.into());
    Ok(answers::fresh(content_type, body))
}

/// Takes over what the newest tick and the log know.
fn read_tick(state: &State) {
    let operations = state.status.operations();
    let tick = state.publisher.latest();
    for partition in status::partitions(&operations, tick.as_deref()) {
        let number = partition.partition.to_string();
        gauge!("tallyflow_lag", "topic" => partition.topic.clone(), "partition" => number.clone())
            .set(partition.lag as f64);
        gauge!("tallyflow_next_offset", "topic" => partition.topic, "partition" => number)
            .set(partition.next_offset as f64);
    }
    gauge!("tallyflow_log_reachable").set(f64::from(u8::from(operations.log.error.is_none())));
    let stall = operations.stall.as_ref();
    let stalled_ms = stall.map_or(0, |stall| (wall_ms() - stall.since_ms).max(0));
    gauge!("tallyflow_stalled_seconds").set(stalled_ms as f64 / 1000.0);
    gauge!("tallyflow_encoded_bytes").set(state.publisher.budget().used() as f64);
    gauge!("tallyflow_ready").set(f64::from(u8::from(state.publisher.is_ready())));
    let Some(tick) = tick else {
        return;
    };
    gauge!("tallyflow_tick").set(tick.number() as f64);
    let totals = tick.snapshot().totals();
    // Gauges, not counters: a void takes an accepted one back.
    let outcomes = [
        ("accepted", totals.counts.accepted),
        ("superseded", totals.counts.superseded),
        ("voided", totals.counts.voided),
        ("set_aside", totals.counts.set_aside),
        ("void", totals.voids),
        ("duplicate", totals.duplicates),
    ];
    for (outcome, count) in outcomes {
        gauge!("tallyflow_messages", "outcome" => outcome).set(count as f64);
    }
    for (reason, count) in totals.refused {
        gauge!("tallyflow_messages", "outcome" => "refused", "reason" => reason).set(count as f64);
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("tallyflow_http_requests_total", "requests answered");
    describe_counter!(
        "tallyflow_authentication_failures_total",
        "requests without the right token"
    );
    describe_counter!("tallyflow_votes_stored_total", "votes stored by POST");
    describe_gauge!(
        "tallyflow_memory_bytes",
        "memory in use, where there is a limit"
    );
    describe_gauge!(
        "tallyflow_memory_max_bytes",
        "memory at which no more votes are taken"
    );
    describe_gauge!(
        "tallyflow_memory_full",
        "1 while no votes are taken for want of memory"
    );
    describe_counter!(
        "tallyflow_log_lines_lost_total",
        "lines of the log that could not be written"
    );
    describe_counter!(
        "tallyflow_frames_sent_total",
        "frames handed to subscribers"
    );
    describe_counter!(
        "tallyflow_stream_bytes_sent_total",
        "bytes of frames handed to subscribers, compressed where they take that"
    );
    describe_counter!(
        "tallyflow_streams_dropped_total",
        "subscribers dropped for taking nothing"
    );
    describe_counter!(
        "tallyflow_answers_cut_total",
        "connections cut for taking an answer too slowly"
    );
    describe_gauge!(
        "tallyflow_encoded_bytes",
        "memory of answers and frames that are kept or being sent"
    );
    describe_counter!(
        "tallyflow_connections_refused_total",
        "connections that got no place: too many, of one address or of all"
    );
    describe_gauge!("tallyflow_streams_open", "open streams");
    describe_gauge!("tallyflow_connections_open", "open connections");
    describe_gauge!("tallyflow_tick", "the newest tick, milliseconds since 1970");
    describe_gauge!("tallyflow_ready", "1 once results are served");
    describe_gauge!(
        "tallyflow_stalled_seconds",
        "for how long results stand still though there is something to count; 0 if they do not"
    );
    describe_gauge!(
        "tallyflow_log_reachable",
        "1 while the log of the votes can be reached"
    );
    describe_gauge!("tallyflow_messages", "messages by outcome");
    describe_gauge!(
        "tallyflow_lag",
        "messages in the log that are not counted yet"
    );
    describe_gauge!("tallyflow_next_offset", "the next offset to count");
    describe_histogram!("tallyflow_publish_seconds", "time to publish a tick");
}
