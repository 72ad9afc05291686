//! Looks whether the log is as it was written, and copies it, while it is used or not.
//!
//! Goes by blocks in small steps, each with a view of its own, so that it holds up nobody. Damage
//! is noted with its place, and what follows it is looked at all the same: a damaged partition
//! does not take the others with it.

use std::fmt;
use std::path::Path;

use super::state::State;
use super::store::{Commit, Store};
use super::{EmbeddedLog, LogError, PARTITIONS, place};

/// What one step looks at, of packed blocks: a view is held for some milliseconds.
pub(super) const STEP_BYTES: u64 = 1 << 20;

/// What one commit of a copy takes.
const COPY_BYTES: usize = 8 << 20;

/// Records that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Their partition.
    pub partition: u32,
    /// The first of them.
    pub from: i64,
    /// The offset after the last of them, as far as it is known.
    pub to: i64,
    /// What does not fit.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, from, last) = (self.partition, self.from, self.to - 1);
        let what = &self.what;
        if from == last {
            return write!(f, "partition {partition}, offset {from} ({what})");
        }
        write!(
            f,
            "partition {partition}, offsets {from} to {last} ({what})"
        )
    }
}

/// What a step found.
pub(super) struct Step {
    /// Where the next one begins.
    pub(super) next: i64,
    /// What was read.
    pub(super) bytes: u64,
    pub(super) damage: Option<Damage>,
}

/// Takes whole blocks: partition, first offset, value.
pub(super) type EachBlock<'a> = &'a mut dyn FnMut(u32, i64, &[u8]);

impl EmbeddedLog {
    /// Looks at every record that is there now. `go_on` is told after each step how many bytes it
    /// read, and says whether to go on.
    pub fn check(&self, go_on: &mut dyn FnMut(u64) -> bool) -> Result<Vec<Damage>, LogError> {
        let mut damage = Vec::new();
        for partition in 0..PARTITIONS {
            let end = self.shared.next_offset(partition);
            let mut from = 0;
            while from < end {
                let step = self.step(partition, from, end, &mut |_, _, _| {})?;
                from = step.next;
                damage.extend(step.damage);
                if !go_on(step.bytes) {
                    return Ok(damage);
                }
            }
        }
        Ok(damage)
    }

    /// How many records each partition has.
    pub fn records(&self) -> [i64; PARTITIONS as usize] {
        std::array::from_fn(|partition| self.shared.next_offset(partition as u32))
    }

    /// Copies what is durable now into a directory that has no log, as far as it is whole, and
    /// gives what is not.
    pub fn copy_to(&self, directory: &Path) -> Result<Vec<Damage>, LogError> {
        if super::is_log(directory) {
            return Err(LogError::Open {
                directory: directory.to_path_buf(),
                source: std::sync::Arc::new(std::io::Error::from(
                    std::io::ErrorKind::AlreadyExists,
                )),
            });
        }
        let (state, facts) = self.shared.store.snapshot()?;
        let (copy, _) = Store::open(directory, &self.shared.topic)?;
        let mut damage = Vec::new();
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for partition in 0..PARTITIONS {
            let end = state.ends[place(partition)].next_offset;
            let mut from = 0;
            while from < end {
                let step = self.step(partition, from, end, &mut |partition, first, value| {
                    bytes += value.len();
                    blocks.push((partition, first, value.to_vec()));
                })?;
                from = step.next;
                damage.extend(step.damage);
                if bytes >= COPY_BYTES {
                    put(&copy, std::mem::take(&mut blocks), Vec::new(), State::EMPTY)?;
                    bytes = 0;
                }
            }
        }
        let state = State {
            closed: true,
            ..state
        };
        put(&copy, blocks, facts, state)?;
        copy.close();
        Ok(damage)
    }

    fn step(
        &self,
        partition: u32,
        from: i64,
        end: i64,
        each: EachBlock<'_>,
    ) -> Result<Step, LogError> {
        let view = self.shared.store.view()?;
        view.step(partition, from, end, each)
    }
}

fn put(
    copy: &Store,
    blocks: Vec<(u32, i64, Vec<u8>)>,
    facts: Vec<(String, Vec<u8>)>,
    state: State,
) -> Result<(), LogError> {
    let commit = Commit {
        blocks,
        facts,
        state,
    };
    copy.commit(&commit).map_err(|error| match error {
        redb::Error::Io(error) if super::store::is_full(&error) => LogError::Full {
            directory: copy.directory().to_path_buf(),
        },
        error => LogError::Open {
            directory: copy.directory().to_path_buf(),
            source: std::sync::Arc::new(error),
        },
    })
}
