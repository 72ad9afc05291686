//! What the stream's events hold: a contest whole, or the rows of it that changed.

use serde::Serialize;
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use super::{LocationRow, RestRow, Results, Windows};

/// The stream's `snapshot` event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct StreamSnapshot {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The contest.
    pub contest_id: String,
    /// The whole answer of its route.
    pub results: Results,
    /// All rows.
    pub locations: Vec<LocationRow>,
    /// By parent, where rows are suppressed; always whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub rest: Vec<RestRow>,
    /// The answer of its route, with the newest 120.
    pub windows: Windows,
}

/// The stream's `change` event: the shape of a snapshot with only the rows that changed, whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct StreamChange {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The contest.
    pub contest_id: String,
    /// The head whole; of the candidates those that changed.
    pub results: Results,
    /// Rows that changed.
    pub locations: Vec<LocationRow>,
    /// By parent, where rows are suppressed; always whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub rest: Vec<RestRow>,
    /// The head whole; of the windows those that changed.
    pub windows: Windows,
    /// Keys that went.
    pub removed: Removed,
    /// Gross departures since the last event.
    pub corrections: Vec<Correction>,
}

/// Keys of rows that went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Removed {
    /// Candidate ids.
    pub candidates: Vec<String>,
    /// Location codes.
    pub locations: Vec<String>,
    /// Starts of windows.
    pub windows: Vec<String>,
}

/// Ballots that left a candidate's count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Correction {
    /// Whose count; null for blank ballots.
    pub candidate_id: Option<String>,
    /// How many left.
    pub minus: u64,
    /// `voided`, `superseded`, `moved` or `register`.
    pub why: &'static str,
}
