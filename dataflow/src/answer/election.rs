//! What the register says, as `/api/v1/elections` shows it: no counts.

use serde::Serialize;
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// `GET /api/v1/elections`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Elections {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// In the register's order.
    pub elections: Vec<ElectionRow>,
}

/// An election with its contests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct ElectionRow {
    /// The id.
    pub election_id: String,
    /// The name.
    pub name: String,
    /// The day.
    pub date: Option<String>,
    /// Whether it is a test.
    pub test: bool,
    /// Whether only listed voters count.
    pub roll: bool,
    /// Outlines of the locations.
    pub geojson_url: Option<String>,
    /// The property of an outline that is the location where its `id` is not.
    pub geojson_property: Option<String>,
    /// The zone of its clocks, as an IANA name.
    pub time_zone: String,
    /// In the register's order.
    pub contests: Vec<ContestRow>,
}

/// A contest with its candidates.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct ContestRow {
    /// The id.
    pub contest_id: String,
    /// The election.
    pub election_id: String,
    /// The name.
    pub name: String,
    /// Whether votes that name no contest are for this one.
    pub is_default: bool,
    /// The counting rule.
    pub kind: String,
    /// Which of a voter's casts counts.
    pub revote: String,
    /// Length of a window in milliseconds.
    pub window_ms: i64,
    /// Distance of the windows' starts in milliseconds.
    pub slide_ms: i64,
    /// Casts before it are set aside.
    pub opens_at: Option<String>,
    /// Casts at or after it are set aside.
    pub closes_at: Option<String>,
    /// By position, then id.
    pub candidates: Vec<CandidateDetail>,
}

/// A candidate as the register describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CandidateDetail {
    /// The contest.
    pub contest_id: String,
    /// The id.
    pub candidate_id: String,
    /// The name.
    pub candidate_name: String,
    /// A name for tight places; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub short_name: Option<String>,
    /// The party.
    pub party: Option<String>,
    /// A short life.
    pub biography: Option<String>,
    /// What is promised.
    pub campaign_promises: Option<String>,
    /// A portrait.
    pub photo_url: Option<String>,
    /// A CSS colour.
    pub color: Option<String>,
    /// The place on the ballot paper.
    pub position: Option<i64>,
    /// Since when withdrawn.
    pub withdrawn_at: Option<String>,
}
