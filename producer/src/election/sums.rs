//! The form in which sums are written: one's own file as JSON or CSV, and what every other
//! source of an election is brought to.
//!
//! Comes in as bytes; goes on, unchecked but for its form, to be built. Never guesses at numbers.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ElectionError;

/// An election's sums as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sums {
    /// The election's id; the file's name where empty.
    pub election_id: String,
    /// What the public calls it.
    pub name: Option<String>,
    /// The day, as `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Marked as a test on every page.
    pub test: bool,
    /// The zone of its clocks, as an IANA name; UTC where absent.
    pub time_zone: Option<String>,
    /// Outlines of the locations.
    pub geojson_url: Option<String>,
    /// The contest's id; `main` where absent.
    pub contest_id: Option<String>,
    /// What the public calls the contest.
    pub contest_name: Option<String>,
    /// Which of a voter's casts counts; `last` where absent, so that corrections are visible.
    pub revote: Option<String>,
    /// Length of a window; 15 minutes where absent.
    pub window_ms: Option<i64>,
    /// Distance of the windows' starts; 5 minutes where absent.
    pub slide_ms: Option<i64>,
    /// When the telling begins, as RFC 3339; 20:00 UTC of the day where absent.
    pub starts_at: Option<String>,
    /// How many hours it takes; 4 where absent.
    pub hours: Option<u32>,
    /// In the order of the ballot paper; as the sums name them where empty.
    pub candidates: Vec<CandidateEntry>,
    /// The forest of locations; the sums' own, side by side, where empty.
    pub locations: Vec<LocationEntry>,
    /// What was counted.
    pub sums: Vec<Sum>,
}

/// Who could be voted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CandidateEntry {
    /// The id that votes name.
    pub candidate_id: String,
    /// The name.
    pub candidate_name: Option<String>,
    /// The party.
    pub party: Option<String>,
    /// A CSS colour.
    pub color: Option<String>,
    /// A portrait.
    pub photo_url: Option<String>,
}

/// A reporting unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocationEntry {
    /// The code that votes name.
    pub location: String,
    /// The name.
    pub name: Option<String>,
    /// The code of the location above.
    pub parent: Option<String>,
    /// Registered voters.
    pub registered: Option<u64>,
}

/// The votes of one candidate in one location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// Where; absent throughout in an election without locations.
    #[serde(default)]
    pub location: Option<String>,
    /// For whom; absent for blank ballots.
    #[serde(default)]
    pub candidate: Option<String>,
    /// How many.
    pub votes: u64,
}

/// A line of a CSV file; all columns but the first three may be missing.
#[derive(Debug, Deserialize)]
struct Line {
    location: Option<String>,
    candidate: Option<String>,
    votes: u64,
    location_name: Option<String>,
    parent: Option<String>,
    registered: Option<u64>,
    candidate_name: Option<String>,
    party: Option<String>,
    color: Option<String>,
}

impl Sums {
    /// Reads the JSON form. `what` names the file in errors.
    pub fn from_json(bytes: &[u8], what: &str) -> Result<Sums, ElectionError> {
        serde_json::from_slice(bytes).map_err(|source| ElectionError::Json {
            what: what.to_string(),
            source,
        })
    }

    /// Reads the CSV form. `what` names the file in errors.
    ///
    /// What a later line says of a location or candidate that an earlier line described is not
    /// asked for again; `parent` is the path of groups from the top, split by `/`.
    pub fn from_csv(bytes: &[u8], what: &str) -> Result<Sums, ElectionError> {
        let failed = |source| ElectionError::Csv {
            what: what.to_string(),
            source,
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let mut gathered = Gathered::default();
        for line in reader.deserialize() {
            gathered.add(line.map_err(failed)?);
        }
        Ok(gathered.sums)
    }
}

/// Sums with the candidates and locations seen so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) sums: Sums,
    candidates: HashMap<String, usize>,
    locations: HashMap<String, usize>,
}

impl Gathered {
    fn add(&mut self, line: Line) {
        if let Some(id) = &line.candidate {
            let entry = self.candidate(id);
            entry.candidate_name = entry.candidate_name.take().or(line.candidate_name);
            entry.party = entry.party.take().or(line.party);
            entry.color = entry.color.take().or(line.color);
        }
        if let Some(code) = &line.location {
            let parent = line
                .parent
                .map(|path| self.group(&path, |code| code.to_string()));
            let entry = self.location(code);
            entry.parent = entry.parent.take().or(parent);
            entry.name = entry.name.take().or(line.location_name);
            entry.registered = entry.registered.or(line.registered);
        }
        self.sums.sums.push(Sum {
            location: line.location,
            candidate: line.candidate,
            votes: line.votes,
        });
    }

    /// The entry of a candidate, made where there is none.
    pub(super) fn candidate(&mut self, id: &str) -> &mut CandidateEntry {
        let entries = &mut self.sums.candidates;
        let place = *self.candidates.entry(id.to_string()).or_insert_with(|| {
            entries.push(CandidateEntry {
                candidate_id: id.to_string(),
                ..CandidateEntry::default()
            });
            entries.len() - 1
        });
        &mut entries[place]
    }

    /// The entry of a location, made where there is none.
    pub(super) fn location(&mut self, code: &str) -> &mut LocationEntry {
        let entries = &mut self.sums.locations;
        let place = *self.locations.entry(code.to_string()).or_insert_with(|| {
            entries.push(LocationEntry {
                location: code.to_string(),
                ..LocationEntry::default()
            });
            entries.len() - 1
        });
        &mut entries[place]
    }

    /// The code of the group at the end of a path such as `England/South East`, made with all
    /// above it where it is new. The code is made of the whole path, since one name may stand on
    /// several levels.
    pub(super) fn group(&mut self, path: &str, code_of: fn(&str) -> String) -> String {
        let mut above = None;
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let code = code_of(&path[..end]);
            let name = path[..end].rsplit('/').next().unwrap_or(path).trim();
            let entry = self.location(&code);
            entry.name = Some(name.to_string());
            entry.parent = above;
            above = Some(code);
        }
        above.unwrap_or_default()
    }
}
