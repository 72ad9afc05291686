//! From a record to what travels to *accept*: bytes in, an [`Arrival`] or a refusal out.
//!
//! One for each worker. Replaces names by numbers where the directory has them, hashes the voter
//! and judges lateness, which needs each partition's own order. Knows no log.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::directory::{BLANK, Directory, NONE};
use crate::hash::KeyedHash;
use crate::log_place::LogPlace;
use crate::time;
use crate::vote_id::VoteId;
use crate::wire::{Cast, Choices, Event, Format, Refusal, Void};

/// An event on its way to *accept*; 80 bytes where all names are known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Arrival {
    /// The voter's hash.
    pub voter: u128,
    /// Which of the voter's votes.
    pub vote: VoteId,
    /// Where this copy lies, or of a kept cast the first one; nothing of a void.
    pub place: LogPlace,
    /// The cast's timestamp, or the log time of this copy.
    pub time_ms: i64,
    /// The contest's number, or [`NONE`] where `unusual` names it.
    pub contest: u32,
    /// The candidate's number or [`BLANK`].
    pub candidate: u32,
    /// The location's number or [`NONE`].
    pub location: u32,
    /// Whether it is a void.
    pub void: bool,
    /// Whether the message had no timestamp.
    pub untimed: bool,
    /// Whether this copy came late in its partition.
    pub late: bool,
    /// What has no number.
    pub unusual: Option<Box<Unusual>>,
}

/// The parts of an event that have no number, or are more than one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusual {
    /// The contest, or `None` if it is known by number or left out without a default.
    pub contest: Option<UnknownContest>,
    /// The choices, where they are not one that is known.
    pub choices: Option<Vec<Box<str>>>,
    /// A location that is not known.
    pub location: Option<Box<str>>,
}

/// A contest that has no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnknownContest {
    /// Its id.
    Named(Box<str>),
    /// The keyed hash of its id, which is all that is kept where too many contests are unknown.
    Hashed(u128),
}

/// Turns a worker's records into arrivals.
pub struct Intake {
    hash: KeyedHash,
    lateness_ms: i64,
    format: Arc<Format>,
    directory: Arc<Directory>,
    /// By partition, the latest time of a cast.
    latest_ms: FxHashMap<u32, i64>,
    /// Casts whose time looks like seconds.
    in_seconds: u64,
}

/// What seconds since 1970 of the years 1990 to 2099 would be as milliseconds: some days of
/// January and February 1970.
const IN_SECONDS_MS: Range<i64> = 631_152_000..4_102_444_800;

/// The hash of the contest of votes that name none where there is no default.
pub const NO_CONTEST_HASH: u128 = 0;

impl Intake {
    /// An intake that has seen nothing.
    pub fn new(hash: KeyedHash, lateness_ms: i64, format: Arc<Format>) -> Intake {
        Intake {
            hash,
            lateness_ms,
            format,
            directory: Arc::default(),
            latest_ms: FxHashMap::default(),
            in_seconds: 0,
        }
    }

    /// The latest time of a partition's casts: what lateness is judged by.
    pub fn latest_ms(&self, partition: u32) -> Option<i64> {
        self.latest_ms.get(&partition).copied()
    }

    /// Goes on in a partition where another intake under the same key has ended.
    pub fn resume(&mut self, partition: u32, latest_ms: Option<i64>) {
        self.latest_ms.extend(latest_ms.map(|ms| (partition, ms)));
    }

    /// The directory in use.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// How many casts had a time of January or February 1970, as if seconds had been sent for
    /// milliseconds.
    pub fn in_seconds(&self) -> u64 {
        self.in_seconds
    }

    /// Uses a directory from now on.
    pub fn adopt(&mut self, directory: Arc<Directory>) {
        self.directory = directory;
    }

    /// Whether a directory is in use; before, nothing may be read.
    pub fn has_directory(&self) -> bool {
        !self.directory.contests.is_empty()
    }

    /// Reads one record of a partition; records of one partition come in offset order.
    pub fn read(
        &mut self,
        partition: u32,
        offset: i64,
        log_time_ms: Option<i64>,
        bytes: &[u8],
    ) -> Result<Arrival, Refusal> {
        let log_time_ms = time::log_time_ms(log_time_ms);
        let format = Arc::clone(&self.format);
        match format.decode(bytes, log_time_ms)? {
            Event::Cast(cast) => Ok(self.cast(partition, offset, log_time_ms, &cast)),
            Event::Void(void) => Ok(self.void(&void)),
        }
    }

    fn cast(
        &mut self,
        partition: u32,
        offset: i64,
        log_time_ms: Option<i64>,
        cast: &Cast<'_>,
    ) -> Arrival {
        let mut unusual = None;
        let contest = self.contest(cast.contest_id.as_deref(), &mut unusual);
        // Decoding refuses a cast that has neither time.
        let time_ms = cast.timestamp_ms.or(log_time_ms).unwrap_or_default();
        let late = self.late(partition, time_ms);
        self.in_seconds += u64::from(IN_SECONDS_MS.contains(&time_ms));
        Arrival {
            voter: self.hash.voter(&cast.voter_id),
            vote: VoteId::new(&cast.vote_id, &cast.voter_id, &self.hash),
            place: LogPlace::new(partition, offset),
            time_ms,
            contest,
            candidate: self.choices(&cast.choices, &mut unusual),
            location: self.location(cast.location.as_deref(), &mut unusual),
            void: false,
            untimed: cast.timestamp_ms.is_none(),
            late,
            unusual,
        }
    }

    fn void(&self, void: &Void<'_>) -> Arrival {
        let mut unusual = None;
        Arrival {
            voter: self.hash.voter(&void.voter_id),
            vote: VoteId::new(&void.vote_id, &void.voter_id, &self.hash),
            place: LogPlace::default(),
            time_ms: 0,
            contest: self.contest(void.contest_id.as_deref(), &mut unusual),
            candidate: BLANK,
            location: NONE,
            void: true,
            untimed: false,
            late: false,
            unusual,
        }
    }

    /// Whether a cast is behind an earlier one of its partition by more than the lateness; notes
    /// its time for those that follow.
    fn late(&mut self, partition: u32, time_ms: i64) -> bool {
        let latest_ms = self.latest_ms.entry(partition).or_insert(time_ms);
        let late = time_ms < latest_ms.saturating_sub(self.lateness_ms);
        *latest_ms = time_ms.max(*latest_ms);
        late
    }

    fn contest(&self, id: Option<&str>, unusual: &mut Option<Box<Unusual>>) -> u32 {
        let Some(id) = id else {
            return self.directory.default_contest.unwrap_or(NONE);
        };
        self.directory.contests.number(id).unwrap_or_else(|| {
            unusual.get_or_insert_default().contest = Some(UnknownContest::Named(id.into()));
            NONE
        })
    }

    fn choices(&self, choices: &Choices<'_>, unusual: &mut Option<Box<Unusual>>) -> u32 {
        let owned = |text: &Cow<'_, str>| Box::from(&**text);
        match choices {
            Choices::Blank => BLANK,
            Choices::One(one) => self.directory.candidates.number(one).unwrap_or_else(|| {
                unusual.get_or_insert_default().choices = Some(vec![owned(one)]);
                BLANK
            }),
            Choices::Many(list) => {
                unusual.get_or_insert_default().choices = Some(list.iter().map(owned).collect());
                BLANK
            }
        }
    }

    fn location(&self, code: Option<&str>, unusual: &mut Option<Box<Unusual>>) -> u32 {
        code.map_or(NONE, |code| {
            self.directory.locations.number(code).unwrap_or_else(|| {
                unusual.get_or_insert_default().location = Some(code.into());
                NONE
            })
        })
    }
}

impl Arrival {
    /// The same with what has no number, if there is such.
    pub fn with(self, unusual: Unusual) -> Arrival {
        let unusual = (unusual != Unusual::default()).then(|| Box::new(unusual));
        Arrival { unusual, ..self }
    }
}
