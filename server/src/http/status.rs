//! `/status`, `/healthz`, `/readyz`: how the service is, rather than how the votes are.
//!
//! Comes in: the newest tick, also while catching up, and from the engine's owner the operating
//! facts that no snapshot holds. Never cached, never refused for not being ready.

use std::collections::BTreeMap;

use dataflow::answer::Totals;
use dataflow::time::format_rfc3339;
use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::answers::{self, JSON};
use super::operations::Deployment;
use super::problem::Problem;
use super::query::Query;
use super::server::State;
use crate::count::CheckpointStatus;
use crate::feed::Stall;
use crate::publish::{Progress, Publisher, Tick, json};
use crate::sink::SinkStatus;
use crate::source::{Health, wall_ms};
use crate::told::Told;
use crate::unknown::UnknownCodes;
use crate::warnings::Warning;

/// Where the operating facts come from.
pub trait StatusSource: Send + Sync {
    /// The facts now. Called for each `/status` and `/metrics`, and by each group of streams
    /// every few seconds, so it answers from memory.
    fn operations(&self) -> OperatingFacts;
}

/// What those who run the service may know of it.
#[derive(Clone, Debug, Default)]
pub struct OperatingFacts {
    /// Where everything is; not for everybody.
    pub places: Deployment,
    /// Worker threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// The log's partitions as they are now.
    pub partitions: Vec<PartitionExtent>,
    /// Whether the log can be reached.
    pub log: Health,
    /// The checkpoints, once counting has begun.
    pub checkpoint: Option<CheckpointStatus>,
    /// Where results are written besides here.
    pub sinks: Vec<SinkStatus>,
    /// Which codes of votes the register does not know; not for everybody.
    pub unknown: UnknownCodes,
    /// What an operator should know and that changes no count.
    pub warnings: Vec<Warning>,
    /// Since when results stand still, and why; nothing while they do not.
    pub stall: Option<Stall>,
    /// Why the register that was last seen is not in force.
    pub register_error: Option<Told>,
    /// The demo, where this is one.
    pub demo: Option<Demo>,
}

/// One partition of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionExtent {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The first offset that the log has.
    pub first_offset: i64,
    /// The offset that the next message will get.
    pub end_offset: i64,
}

/// The demo election's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Demo {
    /// `running` or `finished`.
    pub state: String,
    /// What a visitor may do next.
    pub message: String,
}

/// `GET /api/v1/status`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The logical time, in milliseconds since the Unix epoch; null before the first.
    pub tick: Option<u64>,
    /// The tick as an instant.
    pub as_of: Option<String>,
    /// A hash of the register's content.
    pub register_version: Option<String>,
    /// The program's version.
    pub version: &'static str,
    /// Worker threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// Whether results are served.
    pub ready: bool,
    /// How far the start has come; null once ready.
    pub progress: Option<Progress>,
    /// Every message by its outcome.
    #[serde(flatten)]
    pub totals: Totals,
    /// By topic and partition.
    pub partitions: Vec<PartitionStatus>,
    /// Whether results follow what comes in.
    pub publishing: Publishing,
    /// Why the log cannot be reached; null while it can. Results are served all the same.
    pub log_error: Option<String>,
    /// Since when it cannot, as an instant.
    pub log_error_since: Option<String>,
    /// The checkpoints; null before counting has begun.
    pub checkpoint: Option<CheckpointStatus>,
    /// Where results are written besides here.
    pub sinks: Vec<SinkStatus>,
    /// What an operator should know and that changes no count, by code.
    pub warnings: Vec<Warning>,
    /// Why the register that was last seen is not in force; null if it is.
    pub register_error: Option<String>,
    /// The demo, where this is one.
    pub demo: Option<Demo>,
}

/// Whether results follow what comes in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Publishing {
    /// Since when results stand still, as an instant; null while they do not.
    pub stalled_since: Option<String>,
    /// Why; null while they do not.
    pub reason: Option<String>,
}

impl Publishing {
    fn of(stall: Option<Stall>) -> Publishing {
        Publishing {
            stalled_since: stall.as_ref().map(|stall| format_rfc3339(stall.since_ms)),
            reason: stall.map(|stall| stall.reason.public),
        }
    }
}

/// One partition in `/status`.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The first offset that is counted.
    pub first_offset: i64,
    /// The next offset to count.
    pub next_offset: i64,
    /// Messages that the log has and the tick does not count.
    pub lag: i64,
}

/// The partitions as the tick counts them.
pub fn partitions(operations: &OperatingFacts, tick: Option<&Tick>) -> Vec<PartitionStatus> {
    let snapshot = || tick.into_iter().map(Tick::snapshot);
    let first: BTreeMap<u32, i64> = snapshot().flat_map(|it| it.first_offsets()).collect();
    let counted: BTreeMap<u32, i64> = snapshot().flat_map(|it| it.next_offsets()).collect();
    let status = |extent: &PartitionExtent| {
        let first_offset = first.get(&extent.partition).copied();
        let counted = counted.get(&extent.partition).copied();
        let next_offset = counted.unwrap_or(extent.first_offset);
        PartitionStatus {
            topic: extent.topic.clone(),
            partition: extent.partition,
            // The log may have lost its first messages since they were counted.
            first_offset: first_offset.unwrap_or(extent.first_offset),
            next_offset,
            // A tick may be newer than the extents that were read before it.
            lag: (extent.end_offset - next_offset).max(0),
        }
    };
    operations.partitions.iter().map(status).collect()
}

/// Messages that the log has and the newest tick does not count, over all partitions.
pub fn lag(source: &dyn StatusSource, publisher: &Publisher) -> i64 {
    let operations = source.operations();
    let tick = publisher.latest();
    partitions(&operations, tick.as_deref())
        .iter()
        .map(|each| each.lag)
        .sum()
}

/// Says how the service is.
#[utoipa::path(get, path = "/api/v1/status", tag = "operation", responses(
    (status = 200, description = "Totals over everything at a tick, and operating facts", body = Status),
))]
pub fn status(state: &State, query: &Query, _: &HeaderMap) -> Result<Response, Problem> {
    query.only(&[])?;
    let operations = state.status.operations();
    let tick = state.publisher.latest();
    let ready = state.publisher.is_ready();
    let partitions = partitions(&operations, tick.as_deref());
    let snapshot = tick.as_ref().map(|tick| tick.snapshot());
    let status = Status {
        tick: snapshot.map(|it| it.tick()),
        as_of: snapshot.map(|it| format_rfc3339(it.tick() as i64)),
        register_version: snapshot.map(|it| it.register_version().to_string()),
        version: env!("CARGO_PKG_VERSION"),
        workers: operations.workers,
        processes: operations.processes,
        ready,
        progress: (!ready).then(|| Progress::clone(&state.publisher.progress())),
        totals: snapshot.map(|it| it.totals()).unwrap_or_default(),
        partitions,
        publishing: Publishing::of(operations.stall),
        log_error: operations.log.error.map(|told| told.public),
        log_error_since: operations.log.since_ms.map(format_rfc3339),
        checkpoint: operations.checkpoint,
        sinks: operations.sinks,
        warnings: operations.warnings,
        register_error: operations.register_error.map(|told| told.public),
        demo: operations.demo,
    };
    let body = answers::counted(state, json(&status))?;
    Ok(answers::fresh(JSON, body))
}

/// Says that the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses(
    (status = 200, description = "The process answers", body = String, content_type = "text/plain"),
))]
pub fn healthz(_: &State, _: &Query, _: &HeaderMap) -> Result<Response, Problem> {
    Ok(answers::fresh(
        HeaderValue::from_static("text/plain; charset=utf-8"),
        "alive\n".into(),
    ))
}

/// Says whether results are served.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, description = "Results are served", body = String, content_type = "text/plain"),
    (status = 503, description = "Catching up after a start, with progress; or results have stood \
        still for longer than --stale-after", body = Problem,
     content_type = "application/problem+json"),
))]
pub fn readyz(state: &State, _: &Query, _: &HeaderMap) -> Result<Response, Problem> {
    if !state.publisher.is_ready() {
        return Err(Problem::catching_up(&state.publisher.progress()));
    }
    let operations = state.status.operations();
    if let Some(stall) = &operations.stall
        && wall_ms() - stall.since_ms > state.settings.stale_after.as_millis() as i64
    {
        let title = "results stand still";
        return Err(Problem::busy("stalled", title, &stall.reason));
    }
    let tick_error = operations.checkpoint.and_then(|it| it.tick_error);
    let text = match operations.log.error.or(tick_error) {
        None => "ready\n".to_string(),
        // What is counted is served; that nothing new is counted is for the operator.
        Some(error) => format!("ready, but {}\n", error.public),
    };
    Ok(answers::fresh(
        HeaderValue::from_static("text/plain; charset=utf-8"),
        text.into(),
    ))
}
