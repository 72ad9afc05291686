//! `/api/v1/operations`: what `/status` leaves out, for those who run the service.
//!
//! Places, hosts, users of databases, and errors in full. It wants the token. Passwords and tokens
//! are not even here, nor is anything that a register says of a voter.

use dataflow::time::format_rfc3339;
use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::HeaderMap;
use warp::reply::Response;

use super::answers::{self, JSON};
use super::problem::Problem;
use super::query::Query;
use super::rules;
use super::server::State;
use crate::publish::json;
use crate::sink::{SinkState, SinkStatus};
use crate::told::{self, Told};
use crate::unknown::UnknownRow;

/// Where the parts of this installation are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Deployment {
    /// The data directory.
    pub data: String,
    /// The brokers of Kafka; null with the embedded log, which is in the data directory.
    pub kafka: Option<String>,
    /// Where the register comes from: a file, a database, or the demo's name.
    pub register: String,
    /// Where checkpoints are kept.
    pub checkpoints: String,
    /// The database that results are written to, and its user; null without one.
    pub database: Option<String>,
    /// The addresses of all processes of the count, where there are several.
    pub processes: Vec<String>,
}

/// `GET /api/v1/operations`. Fields that `/status` has, too, are here in full.
#[derive(Debug, Serialize, ToSchema)]
pub struct Operations {
    /// The logical time, in milliseconds since the Unix epoch; null before the first.
    pub tick: Option<u64>,
    /// The tick as an instant.
    pub as_of: Option<String>,
    /// A hash of the register's content.
    pub register_version: Option<String>,
    /// Where this process listens.
    pub listen: String,
    /// Where everything is.
    pub places: Deployment,
    /// What the start waits for; null if for nothing.
    #[serde(serialize_with = "told::full")]
    #[schema(value_type = Option<String>)]
    pub waiting_for: Option<Told>,
    /// Why the log cannot be reached; null while it can.
    #[serde(serialize_with = "told::full")]
    #[schema(value_type = Option<String>)]
    pub log_error: Option<Told>,
    /// The checkpoints; null before counting has begun.
    pub checkpoint: Option<CheckpointErrors>,
    /// Where results are written besides here.
    pub sinks: Vec<SinkError>,
    /// Why the register that was last seen is not in force; null if it is.
    #[serde(serialize_with = "told::full")]
    #[schema(value_type = Option<String>)]
    pub register_error: Option<Told>,
    /// The most frequent codes of votes that the register does not know, twenty at most, of the
    /// voters that this process counts.
    pub unknown: Vec<UnknownRow>,
}

/// What is wrong with checkpoints.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointErrors {
    /// Why none can be made, or why one was found damaged at the start; null while all is well.
    #[serde(serialize_with = "told::full")]
    #[schema(value_type = Option<String>)]
    pub error: Option<Told>,
    /// Why results stand still, or will within seconds; null while they do not.
    #[serde(serialize_with = "told::full")]
    #[schema(value_type = Option<String>)]
    pub tick_error: Option<Told>,
}

/// What is wrong with a sink.
#[derive(Debug, Serialize, ToSchema)]
pub struct SinkError {
    /// What it writes to.
    pub name: &'static str,
    /// How it is.
    pub state: SinkState,
    /// Why the last try failed; null once a later one did not.
    #[serde(serialize_with = "told::full")]
    #[schema(value_type = Option<String>)]
    pub last_error: Option<Told>,
}

impl From<SinkStatus> for SinkError {
    fn from(status: SinkStatus) -> SinkError {
        SinkError {
            name: status.name,
            state: status.state,
            last_error: status.last_error,
        }
    }
}

/// Says what those who run the service need to know.
///
/// Places, hosts, and errors in full, which `/status` does not show.
#[utoipa::path(get, path = "/api/v1/operations", tag = "operation",
    security(("token" = [])),
    responses(
        (status = 200, description = "Places, and errors in full", body = Operations),
        (status = 401, description = "The token is missing or wrong", body = Problem,
         content_type = "application/problem+json"),
))]
pub fn operations(state: &State, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    rules::authorize(&state.token, headers)?;
    query.only(&[])?;
    let facts = state.status.operations();
    let tick = state.publisher.latest();
    let snapshot = tick.as_ref().map(|tick| tick.snapshot());
    let operations = Operations {
        tick: snapshot.map(|it| it.tick()),
        as_of: snapshot.map(|it| format_rfc3339(it.tick() as i64)),
        register_version: snapshot.map(|it| it.register_version().to_string()),
        listen: state.settings.listen.to_string(),
        places: facts.places,
        waiting_for: state.publisher.progress().waiting_for.clone(),
        log_error: facts.log.error,
        checkpoint: facts.checkpoint.map(|it| CheckpointErrors {
            error: it.error,
            tick_error: it.tick_error,
        }),
        sinks: facts.sinks.into_iter().map(SinkError::from).collect(),
        register_error: facts.register_error,
        unknown: facts.unknown.most_frequent(),
    };
    Ok(answers::fresh(JSON, json(&operations)))
}
