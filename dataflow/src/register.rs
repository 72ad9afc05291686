//! The register: elections, contests, candidates, locations and voters, as data.
//!
//! Comes in from a file or a database, read by the shell; goes on as one whole value, checked by
//! [`check`](Register::check) and [`check_against`](Register::check_against), to *accept* and to
//! the views. Never half applied, never repaired: a register with a problem is refused whole.

use serde::{Deserialize, Deserializer, Serialize};

pub use follow::RegisterChange;
pub use problem::{Kind, List, Problem, Problems, RowName, quoted, thousands};
pub use roll::{Roll, RollReader};
pub use voters::Voters;

mod check;
mod follow;
mod problem;
mod roll;
mod tree;
mod voters;

/// The longest id in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 128;

/// The most slides that fit one window.
pub const SLIDES_PER_WINDOW_MAX: i64 = 60;

/// The shortest slide in milliseconds.
pub const SLIDE_MS_MIN: i64 = 1_000;

/// The longest slide in milliseconds: a leap year.
pub const SLIDE_MS_MAX: i64 = 366 * 24 * 60 * 60 * 1000;

/// The most registered voters of one location: far above the people that there are, and low
/// enough that sums of them always fit.
pub const REGISTERED_MAX: u64 = 1_000_000_000_000;

/// The most levels of the forest of locations: more than any land has, and few enough that every
/// sum up the tree stays short.
pub const LEVELS_MAX: usize = 64;

/// The reference data, whole. Lists are named as the tables that hold them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Register {
    /// What groups contests.
    pub elections: Vec<Election>,
    /// What a voter has one ballot in.
    pub contests: Vec<Contest>,
    /// Who can be voted for.
    pub candidates: Vec<Candidate>,
    /// The reporting units, a forest by `parent`.
    pub locations: Vec<Location>,
    /// The voters; the roll of an election whose `roll` is true.
    pub voters: Voters,
}

/// A row of `elections`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Election {
    /// Its id.
    #[serde(deserialize_with = "id_text")]
    pub election_id: String,
    /// What the public calls it; its id where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The day, as `YYYY-MM-DD`.
    #[serde(default)]
    pub date: Option<String>,
    /// Marked as a test on every page.
    #[serde(default)]
    pub test: bool,
    /// Whether only listed voters count.
    #[serde(default)]
    pub roll: bool,
    /// Outlines of the locations; a feature's `id` is the location.
    #[serde(default)]
    pub geojson_url: Option<String>,
    /// The property of a feature that is the location where its `id` is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geojson_property: Option<String>,
    /// The zone of its clocks, as an IANA name; UTC where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A row of `contests`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    /// Its id.
    #[serde(deserialize_with = "id_text")]
    pub contest_id: String,
    /// The election that it belongs to.
    #[serde(deserialize_with = "id_text")]
    pub election_id: String,
    /// What the public calls it; its id where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether votes that name no contest are for this one.
    #[serde(default)]
    pub is_default: bool,
    /// The counting rule; `plurality`.
    #[serde(default = "default_kind")]
    pub kind: String,
    /// Which of a voter's casts counts: `first`, `last` or `all`.
    #[serde(default = "default_revote")]
    pub revote: String,
    /// Length of a window in milliseconds.
    #[serde(default = "default_window_ms")]
    pub window_ms: i64,
    /// Distance of the windows' starts in milliseconds.
    #[serde(default = "default_slide_ms")]
    pub slide_ms: i64,
    /// Casts before it are set aside.
    #[serde(default)]
    pub opens_at: Option<Instant>,
    /// Casts at or after it are set aside.
    #[serde(default)]
    pub closes_at: Option<Instant>,
}

impl Default for Contest {
    fn default() -> Contest {
        Contest {
            contest_id: String::new(),
            election_id: String::new(),
            name: None,
            is_default: false,
            kind: default_kind(),
            revote: default_revote(),
            window_ms: default_window_ms(),
            slide_ms: default_slide_ms(),
            opens_at: None,
            closes_at: None,
        }
    }
}

/// A row of `candidates`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The contest that the candidate stands in.
    #[serde(deserialize_with = "id_text")]
    pub contest_id: String,
    /// Its id in that contest.
    #[serde(deserialize_with = "id_text")]
    pub candidate_id: String,
    /// The name; the id where absent.
    #[serde(default)]
    pub candidate_name: Option<String>,
    /// A name for tight places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_name: Option<String>,
    /// The party.
    #[serde(default)]
    pub party: Option<String>,
    /// A short life.
    #[serde(default)]
    pub biography: Option<String>,
    /// What is promised.
    #[serde(default)]
    pub campaign_promises: Option<String>,
    /// A portrait.
    #[serde(default)]
    pub photo_url: Option<String>,
    /// A CSS colour.
    #[serde(default)]
    pub color: Option<String>,
    /// The place on the ballot paper; orders candidates of one rank.
    #[serde(default)]
    pub position: Option<i64>,
    /// Since when withdrawn: votes stay and rank, marked.
    #[serde(default)]
    pub withdrawn_at: Option<Instant>,
}

/// A row of `locations`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// The election that it reports for.
    #[serde(deserialize_with = "id_text")]
    pub election_id: String,
    /// Its code in that election.
    #[serde(deserialize_with = "id_text")]
    pub location: String,
    /// The name; the code where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The location above it; a root where absent.
    #[serde(default, deserialize_with = "optional_id_text")]
    pub parent: Option<String>,
    /// Registered voters; the sum of its children's where absent.
    #[serde(default)]
    pub registered: Option<u64>,
}

/// A row of `voters`. What else such a row says of a person, nobody here reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Voter {
    /// The voter's id, as votes name it.
    #[serde(deserialize_with = "id_text")]
    pub voter_id: String,
    /// The election that the voter is registered for.
    #[serde(deserialize_with = "id_text")]
    pub election_id: String,
}

/// An instant: milliseconds since the Unix epoch; read from an integer or an RFC 3339 text,
/// written as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Instant, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Milliseconds(i64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Milliseconds(ms) => Ok(Instant(ms)),
            Written::Text(text) => crate::time::parse_rfc3339(text.as_bytes())
                .map(Instant)
                .ok_or_else(|| {
                    serde::de::Error::custom(format!(
                        "'{text}' is no instant: write it as 2013-11-03T20:00:00-05:00 or as \
                         milliseconds since 1970"
                    ))
                }),
        }
    }
}

impl Register {
    /// The version of the register: a hash of its content, the same for any order of the rows
    /// and whether voters are ids or hashes.
    pub fn version(&self) -> String {
        let mut sorted = Register {
            voters: Voters::default(),
            ..self.clone()
        };
        sorted
            .elections
            .sort_by(|a, b| a.election_id.cmp(&b.election_id));
        sorted
            .contests
            .sort_by(|a, b| a.contest_id.cmp(&b.contest_id));
        sorted.candidates.sort_by(|a, b| {
            (&a.contest_id, &a.candidate_id).cmp(&(&b.contest_id, &b.candidate_id))
        });
        sorted
            .locations
            .sort_by(|a, b| (&a.election_id, &a.location).cmp(&(&b.election_id, &b.location)));
        let text = serde_json::to_vec(&sorted).expect("a register is plain data");
        let mut hasher = blake3::Hasher::new();
        hasher.update(&text);
        self.voters.add_to(&mut hasher, &self.elections);
        hasher.finalize().to_hex()[..16].to_string()
    }

    /// The id of the contest for votes that name none: the one marked, or the only one.
    pub fn default_contest(&self) -> Option<&str> {
        let only = match self.contests.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        self.contests
            .iter()
            .find(|contest| contest.is_default)
            .or(only)
            .map(|contest| contest.contest_id.as_str())
    }
}

/// Whether a text is an id: 1 to 128 bytes without U+0000.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.as_bytes().contains(&0)
}

/// Whether a text is a day as registers write it: `YYYY-MM-DD`, of the years 0001 to 9999.
pub fn is_date(text: &str) -> bool {
    text.len() == "YYYY-MM-DD".len()
        && crate::time::parse_rfc3339(format!("{text}T00:00:00Z").as_bytes()).is_some()
}

fn default_kind() -> String {
    "plurality".to_string()
}

fn default_revote() -> String {
    "first".to_string()
}

fn default_window_ms() -> i64 {
    10_000
}

fn default_slide_ms() -> i64 {
    5_000
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrInteger {
    Text(String),
    Integer(i64),
}

impl From<TextOrInteger> for String {
    fn from(written: TextOrInteger) -> String {
        match written {
            TextOrInteger::Text(text) => text,
            TextOrInteger::Integer(number) => number.to_string(),
        }
    }
}

fn id_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    TextOrInteger::deserialize(from).map(String::from)
}

fn optional_id_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<TextOrInteger>::deserialize(from)?.map(String::from))
}
