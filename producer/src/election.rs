//! An election given as sums: how many votes each candidate got in each location.
//!
//! Comes in by name, from a file or from the simulation; goes on, checked, to the replay, and as
//! the register to a server. Knows no single ballot.

use std::path::{Path, PathBuf};

use dataflow::register::{Contest, Register};

pub use evening::Evening;
pub use simulated::Simulation;
pub use sums::{CandidateEntry, LocationEntry, Sum, Sums};

mod build;
mod embedded;
mod evening;
mod simulated;
mod sums;

/// The largest file that is read as an election: a hundred times the United Kingdom's.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// An election whose sums are known, with the register that lets them count.
#[derive(Clone, Debug, PartialEq)]
pub struct Election {
    pub(crate) register: Register,
    pub(crate) units: Vec<Unit>,
    pub(crate) evening: Evening,
}

/// A leaf location, or the whole of an election without locations, and its sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The code that votes name.
    pub(crate) location: Option<String>,
    /// What was chosen and how often, never zero.
    pub(crate) sums: Vec<(Choice, u64)>,
}

/// A place in the register's candidates, or `None` for a blank ballot.
pub(crate) type Choice = Option<u32>;

/// Why there is no such election.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// Neither a name nor a file.
    #[error(
        "there is no election '{0}': name one of {known}, or a CSV or JSON file of sums",
        known = Election::NAMES.join(", ")
    )]
    Unknown(String),
    /// The file is there but cannot be read.
    #[error("could not read the election file '{}'; check that it may be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any election that is known.
    #[error(
        "the election file '{}' has {bytes} bytes; give sums, not single votes, in at most {max}",
        .path.display(), max = FILE_BYTES_MAX
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It does not have the form that its name promises.
    #[error(
        "could not read {what} as CSV; it needs the columns location, candidate and votes, and \
         has its names in the first line"
    )]
    Csv {
        /// Which file.
        what: String,
        /// Where and why.
        source: csv::Error,
    },
    /// It does not have the form that its name promises.
    #[error("could not read {what} as JSON sums; its lists are candidates, locations and sums")]
    Json {
        /// Which file.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It reads, but makes no sense.
    #[error("the election {what} cannot be replayed; mend this:\n  {}", .problems.join("\n  "))]
    Invalid {
        /// Which election.
        what: String,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
}

impl Election {
    /// The names of the elections in the binary.
    pub const NAMES: [&str; 2] = [embedded::MONTREAL_2013, embedded::UK_2019];

    /// An embedded election by its name, or one's own by the path of its file.
    pub fn find(name_or_path: &str) -> Result<Election, ElectionError> {
        if let Some(election) = Election::named(name_or_path) {
            return election;
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            return Err(ElectionError::Unknown(name_or_path.to_string()));
        }
        Election::read(path)
    }

    /// An embedded election; `None` if there is none of this name.
    pub fn named(name: &str) -> Option<Result<Election, ElectionError>> {
        embedded::sums(name).map(|sums| Election::from_sums(sums?))
    }

    /// Reads sums from a file: JSON if it ends in `.json`, else CSV.
    pub fn read(path: &Path) -> Result<Election, ElectionError> {
        let failed = |source| ElectionError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > FILE_BYTES_MAX {
            let path = path.to_owned();
            return Err(ElectionError::TooLarge { path, bytes });
        }
        let content = std::fs::read(path).map_err(failed)?;
        let what = format!("'{}'", path.display());
        let is_json = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let mut sums = if is_json {
            Sums::from_json(&content, &what)?
        } else {
            Sums::from_csv(&content, &what)?
        };
        if sums.election_id.is_empty() {
            let stem = path.file_stem().unwrap_or_default();
            sums.election_id = stem.to_string_lossy().into_owned();
        }
        Election::from_sums(sums)
    }

    /// An election with made-up sums.
    pub fn simulated(simulation: Simulation) -> Result<Election, ElectionError> {
        Election::from_sums(simulation.sums())
    }

    /// Checks sums and makes the register that lets them count.
    pub fn from_sums(sums: Sums) -> Result<Election, ElectionError> {
        build::election(sums)
    }

    /// What a server must know so that every vote of the replay counts.
    pub fn register(&self) -> Register {
        self.register.clone()
    }

    /// Its id.
    pub fn election_id(&self) -> &str {
        &self.register.elections[0].election_id
    }

    /// Its one contest.
    pub fn contest(&self) -> &Contest {
        &self.register.contests[0]
    }

    /// When its votes are told.
    pub fn evening(&self) -> Evening {
        self.evening
    }

    /// The same election, told on another evening.
    pub fn on(mut self, evening: Evening) -> Election {
        self.evening = evening;
        self
    }

    /// The ballots that count at the end.
    pub fn ballots(&self) -> u64 {
        let sums = self.units.iter().flat_map(|unit| &unit.sums);
        sums.map(|(_, votes)| votes).sum()
    }

    /// The outlines that an embedded register's `geojson_url` points at, by file name.
    pub fn geojson(file_name: &str) -> Option<&'static str> {
        embedded::geojson(file_name)
    }
}
