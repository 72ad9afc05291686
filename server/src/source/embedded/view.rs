//! The blocks of the store as they were at one moment: read in order, or looked at.
//!
//! What does not fit is an error that names the place; a step over the log notes it and goes on.

use std::path::Path;
use std::sync::RwLockReadGuard;

use redb::{Database, ReadOnlyTable};

use super::check::{Damage, EachBlock, STEP_BYTES, Step};
use super::state::End;
use super::store::{damaged, guarded, read_failure};
use super::{LogError, block};

/// The blocks that were committed at one moment.
pub(super) struct View<'a> {
    blocks: ReadOnlyTable<(u32, i64), &'static [u8]>,
    directory: &'a Path,
    _database: RwLockReadGuard<'a, Result<Database, LogError>>,
}

/// The blocks of one partition in order.
pub(super) struct Blocks<'a> {
    values: redb::Range<'static, (u32, i64), &'static [u8]>,
    directory: &'a Path,
    partition: u32,
    expected: i64,
}

impl<'a> View<'a> {
    /// Over a table; holds the store open.
    pub(super) fn new(
        blocks: ReadOnlyTable<(u32, i64), &'static [u8]>,
        directory: &'a Path,
        database: RwLockReadGuard<'a, Result<Database, LogError>>,
    ) -> View<'a> {
        View {
            blocks,
            directory,
            _database: database,
        }
    }

    /// Looks at some blocks from `from` on, which is the start of one, or where one is missing;
    /// `each` gets those that are whole.
    pub(super) fn step(
        &self,
        partition: u32,
        from: i64,
        end: i64,
        each: EachBlock<'_>,
    ) -> Result<Step, LogError> {
        let mut step = Step {
            next: from,
            bytes: 0,
            damage: None,
        };
        let mut buffer = Vec::new();
        while step.next < end && step.bytes < STEP_BYTES && step.damage.is_none() {
            match self.look(partition, &mut step, end, &mut buffer, each) {
                Ok(()) => {}
                // The tree itself: where the partition goes on is not known any more.
                Err(LogError::Damaged { what, .. }) => step.harm(partition, end, &what),
                Err(error) => return Err(error),
            }
        }
        Ok(step)
    }

    /// Looks at the next block.
    fn look(
        &self,
        partition: u32,
        step: &mut Step,
        end: i64,
        buffer: &mut Vec<u8>,
        each: EachBlock<'_>,
    ) -> Result<(), LogError> {
        let failed = |error| read_failure(self.directory, partition, step.next, error);
        let range = (partition, step.next)..(partition, end);
        let mut values = guarded(|| Ok(self.blocks.range(range)?)).map_err(failed)?;
        let next = guarded(|| Ok(values.next().transpose()?)).map_err(failed)?;
        let Some((key, value)) = next else {
            step.harm(partition, end, "blocks are missing");
            return Ok(());
        };
        let (start, value) = (key.value().1, value.value());
        step.bytes += value.len() as u64;
        if start > step.next {
            step.harm(partition, start, "a block is missing");
            return Ok(());
        }
        let header = block::unpack(value, buffer).and_then(|header| {
            let is_here = header.partition == partition && header.first_offset == start;
            let fits = is_here && header.count > 0 && header.next_offset() <= end;
            fits.then_some(header)
                .ok_or("a block is in another's place")
        });
        match header {
            Ok(header) => {
                each(partition, start, value);
                step.next = header.next_offset();
            }
            Err(what) => {
                let after = guarded(|| Ok(values.next().transpose()?)).map_err(failed)?;
                let after = after.map_or(end, |(key, _)| key.value().1);
                step.harm(partition, after, what);
            }
        }
        Ok(())
    }

    /// The blocks that start at `from`, which is the start of one, or later, and before `end`.
    pub(super) fn blocks(
        &self,
        partition: u32,
        from: i64,
        end: i64,
    ) -> Result<Blocks<'_>, LogError> {
        let range = (partition, from)..(partition, end);
        let values = guarded(|| Ok(self.blocks.range(range)?))
            .map_err(|error| read_failure(self.directory, partition, from, error))?;
        Ok(Blocks {
            values,
            directory: self.directory,
            partition,
            expected: from,
        })
    }

    /// Where the block starts that holds the record at `offset`, which is there.
    pub(super) fn block_start(&self, partition: u32, offset: i64) -> Result<i64, LogError> {
        let last = |range| {
            guarded(|| {
                Ok(self
                    .blocks
                    .range::<(u32, i64)>(range)?
                    .next_back()
                    .transpose()?)
            })
        };
        last((partition, 0)..=(partition, offset))
            .map_err(|error| read_failure(self.directory, partition, offset, error))?
            .map(|(key, _)| key.value().1)
            .ok_or_else(|| damaged(self.directory, partition, offset, "a block is missing"))
    }

    /// Holds a partition's last block against where the log says that the partition ends.
    pub(super) fn check_end(&self, partition: u32, end: End) -> Result<(), LogError> {
        if end.next_offset == 0 {
            return Ok(());
        }
        let start = self.block_start(partition, end.next_offset)?;
        let mut last = self.blocks(partition, start, end.next_offset)?;
        let header = last.next_into(&mut Vec::new())?;
        let ends_there = header.is_some_and(|header| {
            header.next_offset() == end.next_offset && header.log_time_ms == end.log_time_ms
        });
        if ends_there {
            return Ok(());
        }
        let what = "its last block is not the one that was committed last";
        Err(damaged(self.directory, partition, start, what))
    }
}

impl Step {
    /// Notes that nothing is whole up to `to`.
    fn harm(&mut self, partition: u32, to: i64, what: &str) {
        let to = to.max(self.next + 1);
        self.damage = Some(Damage {
            partition,
            from: self.next,
            to,
            what: what.to_string(),
        });
        self.next = to;
    }
}

impl Blocks<'_> {
    /// Unpacks the next block into `buffer`. `None` at the end, which is before the `end` asked
    /// for if blocks are missing there: the caller knows what it waits for.
    pub(super) fn next_into(
        &mut self,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<block::Header>, LogError> {
        let (partition, expected) = (self.partition, self.expected);
        let next = guarded(|| Ok(self.values.next().transpose()?))
            .map_err(|error| read_failure(self.directory, partition, expected, error))?;
        let Some((_, value)) = next else {
            return Ok(None);
        };
        let header = block::unpack(value.value(), buffer)
            .map_err(|what| damaged(self.directory, partition, expected, what))?;
        if header.partition != partition || header.first_offset != expected || header.count == 0 {
            let what = "a block is missing or in another's place";
            return Err(damaged(self.directory, partition, expected, what));
        }
        self.expected = header.next_offset();
        Ok(Some(header))
    }
}
