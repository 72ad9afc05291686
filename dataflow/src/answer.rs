//! The answers, as JSON shows them: rows with names, shares and ranks, made by the view.
//!
//! Counts are integers, shares are fractions of 1 or null where there is nothing to divide by,
//! instants are RFC 3339 in UTC with milliseconds. Maps of counts hold no zeros. One definition
//! serves HTTP, the stream, the sinks and the tests.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

#[cfg(feature = "schema")]
use utoipa::ToSchema;

pub use election::{CandidateDetail, ContestRow, ElectionRow, Elections};
pub use stream::{Correction, Removed, StreamChange, StreamSnapshot};

mod election;
mod stream;

/// Counts by candidate id; without zeros.
pub type VotesByCandidate = BTreeMap<String, u64>;

/// `GET /api/v1/results`: one contest's counts and ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Results {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The contest.
    pub contest_id: String,
    /// The next offset of every partition, by `topic/partition`.
    pub offsets: BTreeMap<String, i64>,
    /// Casts received, by state.
    pub counts: Counts,
    /// Casts set aside, by reason.
    pub set_aside_by: BTreeMap<String, u64>,
    /// Pairs of voter and vote id that more than one different cast shares.
    pub conflicts: u64,
    /// Accepted ballots without a choice.
    pub blank: u64,
    /// Registered voters, where the register says.
    pub registered: Option<u64>,
    /// Accepted over registered.
    pub turnout: Option<f64>,
    /// The candidate with the most votes, if one alone has them.
    pub leader: Option<String>,
    /// First less second; the first's votes if alone.
    pub margin: Option<u64>,
    /// By rank, then position, then id.
    pub candidates: Vec<CandidateRow>,
}

/// `GET /api/v1/contests`: the heads of all contests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Contests {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The next offset of every partition, by `topic/partition`.
    pub offsets: BTreeMap<String, i64>,
    /// In the register's order.
    pub contests: Vec<ContestHead>,
}

/// A contest's figures, without its locations and windows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct ContestHead {
    /// The id.
    pub contest_id: String,
    /// Its election.
    pub election_id: String,
    /// The name.
    pub name: String,
    /// Casts received, by state.
    pub counts: Counts,
    /// Accepted ballots without a choice.
    pub blank: u64,
    /// Registered voters, where the register says.
    pub registered: Option<u64>,
    /// Accepted over registered.
    pub turnout: Option<f64>,
    /// The candidate with the most votes, if one alone has them.
    pub leader: Option<String>,
    /// First less second; the first's votes if alone.
    pub margin: Option<u64>,
    /// The first two by rank, then position, then id.
    pub candidates: Vec<CandidateRow>,
}

/// Casts received, by state: `received = accepted + superseded + voided + set_aside`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Counts {
    /// Different casts.
    pub received: u64,
    /// Those that count.
    pub accepted: u64,
    /// Those that yield to another cast of their voter.
    pub superseded: u64,
    /// Those that a void names.
    pub voided: u64,
    /// Those that the register does not let count.
    pub set_aside: u64,
}

/// A candidate's row in the results.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CandidateRow {
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
    /// A CSS colour.
    pub color: Option<String>,
    /// A portrait.
    pub photo_url: Option<String>,
    /// Accepted ballots for the candidate.
    pub votes: u64,
    /// Of the votes for candidates.
    pub share: Option<f64>,
    /// From 1; equal votes share a rank.
    pub rank: u64,
    /// Whether the candidate has withdrawn.
    pub withdrawn: bool,
}

/// `GET /api/v1/locations`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Locations {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The contest.
    pub contest_id: String,
    /// By location code.
    pub locations: Vec<LocationRow>,
    /// By parent, where rows are suppressed (`--disclose-min`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub rest: Vec<RestRow>,
}

/// What the suppressed rows of one parent hold together, and what has changed in the shown ones
/// since they were last sent: with them it is the parent's row, or the contest's counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct RestRow {
    /// The location above; null for the roots.
    pub parent: Option<String>,
    /// The sum.
    #[serde(flatten)]
    pub sum: RestSum,
}

/// A sum that is suppressed itself, without figures, while it holds too few ballots.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct RestSum {
    /// Whether there are no figures; absent where there are.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub suppressed: bool,
    /// Ballots; absent if suppressed.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub accepted: u64,
    /// Of them, those without a choice; absent if suppressed.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub blank: u64,
    /// By candidate; absent if suppressed.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub votes: VotesByCandidate,
}

impl Serialize for RestSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("RestSum", 3)?;
        if self.suppressed {
            row.serialize_field("suppressed", &true)?;
            return row.end();
        }
        row.serialize_field("accepted", &self.accepted)?;
        row.serialize_field("blank", &self.blank)?;
        row.serialize_field("votes", &self.votes)?;
        row.end()
    }
}

/// A location's counts in one contest: a leaf's own, else the sum over its children.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct LocationRow {
    /// The code.
    pub location: String,
    /// The name.
    pub name: String,
    /// The location above.
    pub parent: Option<String>,
    /// Whether votes may name it.
    pub leaf: bool,
    /// Registered voters: its own, else the sum of its children's; null if one of them is null.
    pub registered: Option<u64>,
    /// Whether there are no figures since they would be of too few ballots (`--disclose-min`);
    /// absent where there are.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub suppressed: bool,
    /// Accepted ballots; absent, as all that follows, if suppressed.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub accepted: u64,
    /// Of them, those without a choice.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub blank: u64,
    /// Accepted over registered.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub turnout: Option<f64>,
    /// The candidate with the most votes, if one alone has them.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub leader: Option<String>,
    /// Accepted ballots by candidate.
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub votes: VotesByCandidate,
}

impl Serialize for LocationRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("LocationRow", 10)?;
        row.serialize_field("location", &self.location)?;
        row.serialize_field("name", &self.name)?;
        row.serialize_field("parent", &self.parent)?;
        row.serialize_field("leaf", &self.leaf)?;
        row.serialize_field("registered", &self.registered)?;
        if self.suppressed {
            row.serialize_field("suppressed", &true)?;
            return row.end();
        }
        row.serialize_field("accepted", &self.accepted)?;
        row.serialize_field("blank", &self.blank)?;
        row.serialize_field("turnout", &self.turnout)?;
        row.serialize_field("leader", &self.leader)?;
        row.serialize_field("votes", &self.votes)?;
        row.end()
    }
}

/// `GET /api/v1/windows`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Windows {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The contest.
    pub contest_id: String,
    /// The start of the latest cell with an accepted ballot, less the allowed lateness.
    pub watermark: Option<String>,
    /// Length of a window in milliseconds.
    pub window_ms: i64,
    /// Distance of the windows' starts in milliseconds.
    pub slide_ms: i64,
    /// What is before the horizon.
    pub earlier: Earlier,
    /// By start, newest first; only windows with ballots.
    pub windows: Vec<WindowRow>,
}

/// The ballots before the horizon, as one sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Earlier {
    /// Accepted ballots.
    pub accepted: u64,
    /// Of them, those without a choice.
    pub blank: u64,
    /// Accepted ballots by candidate.
    pub votes: VotesByCandidate,
}

/// A window of event time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct WindowRow {
    /// Its start.
    pub start: String,
    /// Its end, exclusive.
    pub end: String,
    /// Whether it ends at or before the watermark.
    pub r#final: bool,
    /// Accepted ballots.
    pub accepted: u64,
    /// Of them, those without a choice.
    pub blank: u64,
    /// Of them, those that came late.
    pub late: u64,
    /// Accepted ballots by candidate.
    pub votes: VotesByCandidate,
}

/// `GET /api/v1/series`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Series {
    /// The logical time, in milliseconds since the Unix epoch.
    pub tick: u64,
    /// The tick as an instant.
    pub as_of: String,
    /// A hash of the register's content.
    pub register_version: String,
    /// The contest.
    pub contest_id: String,
    /// Length of a step in milliseconds; a multiple of the slide.
    pub step_ms: i64,
    /// What is before the horizon.
    pub earlier: Earlier,
    /// What is neither in `earlier` nor in a point yet, where steps are merged until they hold
    /// enough ballots (`--disclose-min`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestSum>,
    /// By time; only steps with ballots.
    pub points: Vec<Point>,
}

/// A step of the series.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Point {
    /// The start of the step.
    pub at: String,
    /// Accepted ballots in it.
    pub accepted: u64,
    /// Of them, those without a choice.
    pub blank: u64,
    /// Accepted ballots by candidate.
    pub votes: VotesByCandidate,
}

/// Every message by its outcome, over all contests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Totals {
    /// `messages = received + voids + duplicates + refused`.
    pub messages: u64,
    /// Different casts.
    pub received: u64,
    /// Them by state.
    pub counts: Counts,
    /// Those set aside, by reason.
    pub set_aside_by: BTreeMap<String, u64>,
    /// Different voids.
    pub voids: u64,
    /// Identical copies of events.
    pub duplicates: u64,
    /// Messages that are no valid event, by reason.
    pub refused: BTreeMap<String, u64>,
}
