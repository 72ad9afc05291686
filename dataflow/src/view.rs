//! All views at one tick: closed ticks in, snapshots out.
//!
//! A snapshot is immutable and shares with the one before it what has not changed. Applying a
//! tick is total and pure: no closed tick can fail. Names come back here: inside are numbers,
//! what [`answer`](crate::answer) shows are ids and names.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use crate::accept::{Count, State};
use crate::directory::{Directory, NONE};
use crate::engine::{Carried, ClosedTick};
use crate::graph::{Read, Row};
use crate::wire::Reason;
pub use change::ContestChange;
use contest::ContestView;
pub use disclose::{Disclosed, Disclosure, Remembered};
pub use stream::Views;

mod answers;
mod change;
mod contest;
mod disclose;
mod stream;
mod votes;
mod windows;

/// The newest windows that the stream carries.
pub const STREAM_WINDOWS: usize = 120;

/// The most windows of one answer.
pub const WINDOWS_MAX: usize = 1_000;

/// The most points of one series.
pub const POINTS_MAX: i64 = 2_000;

/// What the views need besides the messages and the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSettings {
    /// The topic, for the names of partitions.
    pub topic: Arc<str>,
    /// How long a window may be added to before it is final, in milliseconds of event time.
    pub lateness_ms: i64,
    /// How much event time the cells that are served one by one hold at most, in milliseconds:
    /// the newest `horizon_ms / slide_ms` cells with ballots, wherever they are in time.
    pub horizon_ms: i64,
}

/// All views at one tick.
#[derive(Clone, Debug)]
pub struct Snapshot {
    settings: Arc<ViewSettings>,
    tick: u64,
    directory: Arc<Directory>,
    first_offsets: OrdMap<u32, i64>,
    next_offsets: OrdMap<u32, i64>,
    contests: OrdMap<u32, Arc<ContestView>>,
    messages: i64,
    voids: i64,
    duplicates: i64,
    casts: OrdMap<State, i64>,
    refused: OrdMap<Reason, i64>,
}

/// What one published tick brings: all views, and what differs from the tick before.
#[derive(Clone, Debug)]
pub struct Publication {
    /// All views.
    pub snapshot: Arc<Snapshot>,
    /// By contest id; only contests of which something changed.
    pub changes: BTreeMap<String, ContestChange>,
}

/// Which children [`Snapshot::locations`] lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// The roots.
    None,
    /// The children of one.
    Of(&'a str),
    /// All locations.
    Any,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The contest is not in the register.
    Contest,
    /// No contest is named, and none is the default.
    DefaultContest,
    /// The location is not in the register.
    Location,
    /// The step is no multiple of the slide.
    Step,
}

impl Snapshot {
    /// Before the first tick: nothing is known.
    pub fn empty(settings: ViewSettings) -> Snapshot {
        Snapshot {
            settings: Arc::new(settings),
            tick: 0,
            directory: Arc::default(),
            first_offsets: OrdMap::new(),
            next_offsets: OrdMap::new(),
            contests: OrdMap::new(),
            messages: 0,
            voids: 0,
            duplicates: 0,
            casts: OrdMap::new(),
            refused: OrdMap::new(),
        }
    }

    /// The snapshot after a tick has closed, and what it changes.
    pub fn apply(&self, ClosedTick { tick, closed, .. }: ClosedTick) -> Publication {
        let mut next = self.clone();
        next.tick = tick;
        let renewed = closed.directory.is_some();
        if let Some(directory) = closed.directory {
            next.directory = directory;
        }
        let mut changes: BTreeMap<u32, ContestChange> = BTreeMap::new();
        if renewed {
            for (contest, _) in next.directory.rules() {
                next.contests.entry(contest).or_default();
                changes.insert(contest, ContestChange::default());
            }
        }
        for (row, by) in closed.rows {
            next.apply_row(row, by, &mut changes);
        }
        let mut named = BTreeMap::new();
        for (contest, mut change) in changes {
            next.finish(self, contest, renewed, &mut change);
            if next.directory.rule(contest).is_some() {
                named.insert(next.directory.contests.text(contest).to_string(), change);
            }
        }
        Publication {
            snapshot: Arc::new(next),
            changes: named,
        }
    }

    fn apply_row(&mut self, row: Row, by: i64, changes: &mut BTreeMap<u32, ContestChange>) {
        match row {
            Row::Candidate(contest, candidate) => {
                changes.entry(contest).or_default();
                self.contest(contest).candidates.add(candidate, by);
            }
            Row::Location(contest, location, candidate) => {
                let change = changes.entry(contest).or_default();
                change.locations.changed(location);
                self.contest(contest)
                    .add_in_location(location, candidate, by);
            }
            Row::Span(span) => {
                changes.entry(span.contest).or_default();
                self.contest(span.contest).add_in_span(span, by);
            }
            Row::Departure(departure) => {
                let change = changes.entry(departure.contest).or_default();
                let key = (departure.candidate, departure.why);
                *change.corrections.entry(key).or_default() += by.unsigned_abs();
            }
            Row::Count(Count::Casts(contest, state)) => {
                *self.casts.entry(state).or_default() += by;
                if contest != NONE {
                    changes.entry(contest).or_default();
                    *self.contest(contest).casts.entry(state).or_default() += by;
                }
            }
            Row::Count(Count::Conflicts(contest)) => {
                if contest != NONE {
                    changes.entry(contest).or_default();
                    self.contest(contest).conflicts += by;
                }
            }
            Row::Count(Count::Voids) => self.voids += by,
            Row::Count(Count::Duplicates) | Row::Read(Read::Duplicates) => self.duplicates += by,
            Row::Read(Read::Messages) => self.messages += by,
            Row::Read(Read::Refused(reason)) => {
                *self.refused.entry(reason).or_default() += by;
            }
            Row::Read(Read::FirstOffset(partition)) => {
                *self.first_offsets.entry(partition).or_insert(-1) += by;
            }
            Row::Read(Read::Offset(partition)) => {
                *self.next_offsets.entry(partition).or_insert(-1) += by;
            }
        }
    }

    fn contest(&mut self, contest: u32) -> &mut ContestView {
        Arc::make_mut(self.contests.entry(contest).or_default())
    }

    /// Derives what depends on a contest's sums, and notes which rows differ from before.
    fn finish(
        &mut self,
        before: &Snapshot,
        number: u32,
        renewed: bool,
        change: &mut ContestChange,
    ) {
        let (directory, settings) = (Arc::clone(&self.directory), Arc::clone(&self.settings));
        self.contest(number).derive(number, &directory, &settings);
        let empty = Arc::default();
        let was = before.contests.get(&number).unwrap_or(&empty);
        let is = &self.contests[&number];
        change.note_candidates(was, is);
        change.note_windows(was, is);
        if renewed {
            change.note_renewal(number, &before.directory, &directory);
        }
    }

    /// The logical time, in milliseconds since the Unix epoch.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// The version of the register in force.
    pub fn register_version(&self) -> &str {
        &self.directory.version
    }

    /// The register in force, in numbers.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The next offset of every partition, by partition.
    pub fn next_offsets(&self) -> impl Iterator<Item = (u32, i64)> {
        let offsets = self.next_offsets.iter();
        offsets.map(|(partition, next)| (*partition, *next))
    }

    /// Where the counting of every partition began, by partition.
    pub fn first_offsets(&self) -> impl Iterator<Item = (u32, i64)> {
        let offsets = self.first_offsets.iter();
        offsets.map(|(partition, first)| (*partition, *first))
    }

    /// What no kept event tells of what is counted here.
    pub fn carried(&self) -> Carried {
        let refused = self.refused.iter().filter(|(_, messages)| **messages != 0);
        Carried {
            messages: self.messages,
            duplicates: self.duplicates,
            refused: refused.map(|(reason, n)| (*reason, *n)).collect(),
        }
    }

    /// How many messages are counted.
    pub fn messages(&self) -> u64 {
        self.messages.unsigned_abs()
    }
}
