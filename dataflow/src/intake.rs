//! From a record to what travels to *accept*: bytes in, an [`Arrival`] or a refusal out.
//!
//! One for each worker. Replaces names by numbers where the directory has them, hashes the voter
//! and judges lateness, which needs each partition's own order. Knows no offsets and no log.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::directory::{BLANK, Directory, NONE};
use crate::hash::KeyedHash;
use crate::time::{INSTANT_MS_MAX, INSTANT_MS_MIN};
use crate::vote_id::VoteId;
use crate::wire::{self, Cast, Choices, Event, Refusal, Void};

/// An event on its way to *accept*; one cache line where all names are known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Arrival {
    /// The voter's hash.
    pub voter: u128,
    /// The vote id if it is a canonical UUID; else it is among `unusual`.
    pub vote_id: u128,
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
    /// The contest's id, or `None` if it is known by number or left out without a default.
    pub contest: Option<Box<str>>,
    /// A vote id that is no canonical UUID.
    pub vote_id: Option<Box<str>>,
    /// The choices, where they are not one that is known.
    pub choices: Option<Vec<Box<str>>>,
    /// A location that is not known.
    pub location: Option<Box<str>>,
}

/// The time maxima of one partition, by contest hash.
#[derive(Clone, Debug, Default)]
struct PartitionTimes {
    latest_ms: FxHashMap<u128, i64>,
    /// The contest of the last cast and its maximum, which the map learns when another comes.
    last: Option<(u128, i64)>,
}

impl PartitionTimes {
    /// Notes a cast's time; says the latest of those before it, or its own where it is the first.
    fn note(&mut self, contest_hash: u128, time_ms: i64) -> i64 {
        let before_ms = match self.last {
            Some((last, latest_ms)) if last == contest_hash => latest_ms,
            _ => {
                self.latest_ms.extend(self.last);
                let known = self.latest_ms.get(&contest_hash);
                known.copied().unwrap_or(time_ms)
            }
        };
        self.last = Some((contest_hash, time_ms.max(before_ms)));
        before_ms
    }

    fn all(&self) -> Vec<(u128, i64)> {
        let mut all = self.latest_ms.clone();
        all.extend(self.last);
        let mut all: Vec<(u128, i64)> = all.into_iter().collect();
        all.sort_unstable();
        all
    }
}

/// Turns a worker's records into arrivals.
pub struct Intake {
    hash: KeyedHash,
    lateness_ms: i64,
    directory: Arc<Directory>,
    times: FxHashMap<u32, PartitionTimes>,
}

/// The hash of the contest of votes that name none where there is no default.
pub const NO_CONTEST_HASH: u128 = 0;

impl Intake {
    /// An intake that has seen nothing.
    pub fn new(hash: KeyedHash, lateness_ms: i64) -> Intake {
        Intake {
            hash,
            lateness_ms,
            directory: Arc::default(),
            times: FxHashMap::default(),
        }
    }

    /// The latest time of a partition, by the hash of the contest: what lateness is judged by.
    pub fn latest_ms(&self, partition: u32) -> Vec<(u128, i64)> {
        let times = self.times.get(&partition);
        times.map(PartitionTimes::all).unwrap_or_default()
    }

    /// Goes on in a partition where another intake under the same key has ended.
    pub fn resume(&mut self, partition: u32, latest_ms: &[(u128, i64)]) {
        let times = PartitionTimes {
            latest_ms: latest_ms.iter().copied().collect(),
            last: None,
        };
        self.times.insert(partition, times);
    }

    /// The directory in use.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
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
        log_time_ms: Option<i64>,
        bytes: &[u8],
    ) -> Result<Arrival, Refusal> {
        // Where producers set the log's time it can be any number; one that is no instant is none.
        let log_time_ms = log_time_ms.filter(|ms| (INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(ms));
        match wire::decode(bytes, log_time_ms)? {
            Event::Cast(cast) => Ok(self.cast(partition, log_time_ms, &cast)),
            Event::Void(void) => Ok(self.void(&void)),
        }
    }

    fn cast(&mut self, partition: u32, log_time_ms: Option<i64>, cast: &Cast<'_>) -> Arrival {
        let mut unusual = None;
        let contest = self.contest(cast.contest_id.as_deref(), &mut unusual);
        // Decoding refuses a cast that has neither time.
        let time_ms = cast.timestamp_ms.or(log_time_ms).unwrap_or_default();
        let late = self.late(
            partition,
            self.contest_hash(contest, unusual.as_deref()),
            time_ms,
        );
        Arrival {
            voter: self.hash.voter(&cast.voter_id),
            vote_id: uuid(&cast.vote_id, &mut unusual),
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
            vote_id: uuid(&void.vote_id, &mut unusual),
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

    /// Whether a cast is behind an earlier one of its contest and partition by more than the
    /// lateness; notes its time for those that follow.
    fn late(&mut self, partition: u32, contest_hash: u128, time_ms: i64) -> bool {
        let times = self.times.entry(partition).or_default();
        let before_ms = times.note(contest_hash, time_ms);
        time_ms < before_ms.saturating_sub(self.lateness_ms)
    }

    fn contest(&self, id: Option<&str>, unusual: &mut Option<Box<Unusual>>) -> u32 {
        let Some(id) = id else {
            return self.directory.default_contest.unwrap_or(NONE);
        };
        self.directory.contests.number(id).unwrap_or_else(|| {
            unusual.get_or_insert_default().contest = Some(id.into());
            NONE
        })
    }

    fn contest_hash(&self, contest: u32, unusual: Option<&Unusual>) -> u128 {
        match unusual.and_then(|unusual| unusual.contest.as_ref()) {
            Some(id) => self.hash.contest(id),
            None if contest == NONE => NO_CONTEST_HASH,
            None => self.directory.contest_hash(contest),
        }
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

fn uuid(vote_id: &str, unusual: &mut Option<Box<Unusual>>) -> u128 {
    match VoteId::new(vote_id) {
        VoteId::Uuid(bytes) => u128::from_be_bytes(bytes),
        VoteId::Text(text) => {
            unusual.get_or_insert_default().vote_id = Some(text);
            0
        }
    }
}

impl Arrival {
    /// The same with what has no number, if there is such.
    pub fn with(self, unusual: Unusual) -> Arrival {
        let unusual = (unusual != Unusual::default()).then(|| Box::new(unusual));
        Arrival { unusual, ..self }
    }
}
