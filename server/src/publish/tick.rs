//! One published tick: its snapshot, and the JSON that was made of it so far.
//!
//! Encoded answers and frames live with their tick and go with it, so they cannot be stale.
//! Immutable to its readers; each answer is encoded where it is first asked for, never before.

use std::sync::Arc;

use bytes::Bytes;
use dataflow::answer::StreamSnapshot;
use dataflow::view::{Parent, Snapshot, Unknown, Views};
use serde::Serialize;

use super::budget::{Budget, Full};
use super::encoded::Encoded;
use super::once::Once;

/// The most encoded answers, and as many changes, that a tick keeps: enough for the usual
/// questions and for the streams that resume after one and the same break.
const ENCODED_MAX: usize = 1024;

/// The most bytes that either takes: together a quarter of the memory for what is encoded.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A question that the snapshot answers, with everything that the answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// All elections.
    Elections,
    /// The heads of all contests.
    Contests,
    /// A contest's counts and ranking.
    Results {
        /// The contest.
        contest: String,
    },
    /// A contest's locations.
    Locations {
        /// The contest.
        contest: String,
        /// The location above; the roots if absent, all if `*`.
        parent: Option<String>,
    },
    /// A contest's newest windows.
    Windows {
        /// The contest.
        contest: String,
        /// How many at most.
        limit: usize,
    },
    /// A contest's course over time.
    Series {
        /// The contest.
        contest: String,
        /// The length of a step.
        step_ms: Option<i64>,
    },
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug)]
pub enum Unanswered {
    /// What it asks for does not exist.
    Unknown(Unknown),
    /// There is no memory for another answer.
    Full,
}

impl From<Unknown> for Unanswered {
    fn from(unknown: Unknown) -> Unanswered {
        Unanswered::Unknown(unknown)
    }
}

impl From<Full> for Unanswered {
    fn from(_: Full) -> Unanswered {
        Unanswered::Full
    }
}

/// A published tick.
pub struct Tick {
    snapshot: Arc<Snapshot>,
    etag: String,
    budget: Budget,
    answers: Once<Question, Result<Encoded, Unanswered>>,
    /// What a stream begins with.
    beginnings: Once<Part, Result<Encoded, Unanswered>>,
    /// Changes up to this tick, by the tick before them.
    deltas: Once<(Part, u64), Delta>,
}

/// What a stream is of: the parts of a contest.
pub type Part = (Arc<str>, Views);

/// The way from an earlier tick to this one, in a part of a contest.
#[derive(Clone, Debug)]
pub enum Delta {
    /// Nothing changed.
    Nothing,
    /// The encoded change.
    Frame(Encoded),
    /// It cannot be told from here, for this reason; begin again from the snapshot.
    Lost(&'static str),
}

impl Tick {
    pub(super) fn new(snapshot: Arc<Snapshot>, budget: Budget) -> Tick {
        Tick {
            etag: etag(&snapshot),
            snapshot,
            budget,
            answers: Once::new(ENCODED_MAX, KEPT_BYTES_MAX, weigh_answer),
            beginnings: Once::new(ENCODED_MAX, KEPT_BYTES_MAX, weigh_answer),
            deltas: Once::new(ENCODED_MAX, KEPT_BYTES_MAX, |delta| match delta {
                Delta::Frame(frame) => Some(frame.plain().len()),
                Delta::Nothing => Some(0),
                // Anybody may come from any tick; that takes no place either.
                Delta::Lost(_) => None,
            }),
        }
    }

    /// The tick itself.
    pub fn number(&self) -> u64 {
        self.snapshot.tick()
    }

    /// All views at the tick.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The strong entity tag of every answer at this tick, in its quotes.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The answer to a question as JSON, encoded once.
    pub fn answer(&self, question: Question) -> Result<Encoded, Unanswered> {
        let make = || self.counted(|| Ok(self.encode(&question)?));
        self.answers.get_or_make(question.clone(), make)
    }

    /// Lets its answers go, but for those who are sending them: another tick has followed. Changes
    /// that lead to it go with the last who looks at it.
    pub(super) fn end(&self) {
        self.answers.end();
        self.beginnings.end();
    }

    /// What a stream begins with at this tick, made once for all who connect.
    pub fn beginning(
        &self,
        part: &Part,
        make: impl FnOnce(&StreamSnapshot) -> Bytes,
    ) -> Result<Encoded, Unanswered> {
        let encode = || {
            let snapshot = self.snapshot.stream_snapshot(&part.0, part.1)?;
            Ok(make(&snapshot))
        };
        let make = || self.counted(encode);
        self.beginnings.get_or_make(part.clone(), make)
    }

    /// The way of a part from the tick `from` to this one, made once for all who stand there.
    /// `make` gives the bytes of a frame, or what there is in its place.
    pub fn delta(
        &self,
        part: &Part,
        from: u64,
        make: impl FnOnce() -> Result<Bytes, Delta>,
    ) -> Delta {
        let make = || match make() {
            Ok(frame) => {
                let counted = self.budget.count(frame);
                Delta::Frame(Encoded::new(counted, self.budget.clone()))
            }
            Err(other) => other,
        };
        self.deltas.get_or_make((part.clone(), from), make)
    }

    fn counted(
        &self,
        make: impl FnOnce() -> Result<Bytes, Unanswered>,
    ) -> Result<Encoded, Unanswered> {
        let made = self.budget.make(make)?;
        Ok(Encoded::new(made, self.budget.clone()))
    }

    fn encode(&self, question: &Question) -> Result<Bytes, Unknown> {
        let snapshot = &self.snapshot;
        match question {
            Question::Elections => Ok(json(&snapshot.elections())),
            Question::Contests => Ok(json(&snapshot.contest_heads())),
            Question::Results { contest } => snapshot.results(contest).map(|it| json(&it)),
            Question::Locations { contest, parent } => {
                let parent = match parent.as_deref() {
                    None => Parent::None,
                    Some("*") => Parent::Any,
                    Some(code) => Parent::Of(code),
                };
                snapshot.locations(contest, parent).map(|it| json(&it))
            }
            Question::Windows { contest, limit } => {
                snapshot.windows(contest, *limit).map(|it| json(&it))
            }
            Question::Series { contest, step_ms } => {
                snapshot.series(contest, *step_ms).map(|it| json(&it))
            }
        }
    }
}

/// A value of ours as JSON, in no more memory than it needs.
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(value).expect("answers are plain data with text keys");
    text.into_boxed_slice().into()
}

/// What a question asks for may not exist; that takes no place from what does.
fn weigh_answer(answer: &Result<Encoded, Unanswered>) -> Option<usize> {
    answer.as_ref().ok().map(|answer| answer.plain().len())
}

/// The tick, and a hash of the input that the snapshot names: all processes of a run agree on
/// it, and another run that happens to publish the same tick does not.
fn etag(snapshot: &Snapshot) -> String {
    let mut input = format!(
        "{} {}",
        env!("CARGO_PKG_VERSION"),
        snapshot.register_version()
    );
    for (partition, offset) in snapshot.next_offsets() {
        input.push_str(&format!(" {partition} {offset}"));
    }
    let hash = xxhash_rust::xxh3::xxh3_64(input.as_bytes());
    format!("\"{}-{hash:016x}\"", snapshot.tick())
}
