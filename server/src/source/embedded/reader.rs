//! Reads some partitions of the embedded log from an offset on, and follows them as they grow.
//!
//! Committed blocks come out of the store; records go to the worker. Never shows what is not
//! durable, never skips: where the next record should be and is not, there is an error.

use std::sync::{Arc, Weak};

use super::super::{Found, Record};
use super::block::next_record;
use super::store::damaged;
use super::view::View;
use super::{LogError, PARTITIONS, Reader, Shared};

/// What a reader wants to be told.
pub(super) struct Waker {
    partitions: Vec<u32>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Waker {
    /// Wakes the reader if one of these partitions is its own.
    pub(super) fn wake_for(&self, is_grown: impl Fn(u32) -> bool) {
        if self.partitions.iter().any(|&partition| is_grown(partition)) {
            (self.wake)();
        }
    }
}

/// A worker's reader.
pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    positions: Vec<Position>,
    /// The position that the next poll begins with.
    turn: usize,
    /// The positions with something to read, and how far; kept for its memory.
    ready: Vec<(usize, i64)>,
    /// One block, unpacked.
    buffer: Vec<u8>,
    /// Woken as long as the reader lives.
    _waker: Arc<Waker>,
}

/// Where the reader is in a partition.
#[derive(Clone, Copy, Debug)]
struct Position {
    partition: u32,
    /// The next record to hand over.
    offset: i64,
    /// Where its block starts: before it only until the first poll after a seek.
    block: i64,
}

impl EmbeddedReader {
    pub(super) fn new(
        shared: Arc<Shared>,
        from: &[(u32, i64)],
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<(EmbeddedReader, Weak<Waker>), LogError> {
        let view = shared.store.view()?;
        let positions = from
            .iter()
            .map(|&(partition, offset)| seek(&shared, &view, partition, offset))
            .collect::<Result<Vec<_>, _>>()?;
        drop(view);
        let waker = Arc::new(Waker {
            partitions: from.iter().map(|&(partition, _)| partition).collect(),
            wake,
        });
        let told = Arc::downgrade(&waker);
        let reader = EmbeddedReader {
            shared,
            positions,
            turn: 0,
            ready: Vec::new(),
            buffer: Vec::new(),
            _waker: waker,
        };
        Ok((reader, told))
    }

    /// Reads blocks of one partition until `records_max` or its `end`, adding to `count`.
    fn read(
        &mut self,
        view: &View<'_>,
        (index, end): (usize, i64),
        records_max: usize,
        count: &mut usize,
        each: &mut dyn FnMut(u32, Found<'_>),
    ) -> Result<(), LogError> {
        let position = &mut self.positions[index];
        let partition = position.partition;
        let mut blocks = view.blocks(partition, position.block, end)?;
        let enough = *count + records_max;
        while position.offset < end && *count < enough {
            let header = blocks.next_into(&mut self.buffer)?.ok_or_else(|| {
                let directory = self.shared.store.directory();
                damaged(directory, partition, position.offset, "a block is missing")
            })?;
            let mut rest = header.records(&self.buffer);
            for offset in header.first_offset..header.next_offset() {
                // Unpacking counted the records.
                let Some(bytes) = next_record(&mut rest) else {
                    break;
                };
                if offset < position.offset {
                    continue;
                }
                let record = Record {
                    offset,
                    log_time_ms: Some(header.log_time_ms),
                    key: None,
                    bytes: Some(bytes),
                };
                each(partition, Found::Record(record));
                *count += 1;
            }
            position.offset = header.next_offset();
            position.block = position.offset;
        }
        Ok(())
    }

    /// Gives each partition that has records its share of a poll.
    fn read_all(
        &mut self,
        ready: &[(usize, i64)],
        records_max: usize,
        count: &mut usize,
        each: &mut dyn FnMut(u32, Found<'_>),
    ) -> Result<(), LogError> {
        if ready.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let view = shared.store.view()?;
        for (visited, &place) in ready.iter().enumerate() {
            let left = records_max.saturating_sub(*count);
            if left == 0 {
                break;
            }
            let share = left.div_ceil(ready.len() - visited);
            self.read(&view, place, share, count, each)?;
            self.turn = (place.0 + 1) % self.positions.len();
        }
        Ok(())
    }
}

impl Reader for EmbeddedReader {
    fn poll(
        &mut self,
        records_max: usize,
        each: &mut dyn FnMut(u32, Found<'_>),
    ) -> Result<usize, LogError> {
        let all = self.positions.len();
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        // Before the view is taken, which then holds everything up to these ends.
        for index in (0..all).map(|step| (self.turn + step) % all) {
            let position = self.positions[index];
            let end = self.shared.next_offset(position.partition);
            if position.offset < end {
                ready.push((index, end));
            }
        }
        let mut count = 0;
        let outcome = self.read_all(&ready, records_max, &mut count, each);
        self.ready = ready;
        match outcome {
            // The committer opens the store again and then wakes every reader.
            Ok(()) | Err(LogError::Interrupted { .. }) => Ok(count),
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, partition: u32, _offset: i64) -> Result<(), LogError> {
        // It has all its partitions from the start.
        Err(LogError::NoPartition {
            topic: self.shared.topic.clone(),
            partition,
            partitions: PARTITIONS,
        })
    }
}

/// Finds a record's block, so that reading may start in the middle of one.
fn seek(
    shared: &Shared,
    view: &View<'_>,
    partition: u32,
    offset: i64,
) -> Result<Position, LogError> {
    let next_offset = shared.extent(partition)?.next_offset;
    if !(0..=next_offset).contains(&offset) {
        return Err(LogError::OutOfRange {
            topic: shared.topic.clone(),
            partition,
            offset,
            first_offset: 0,
            next_offset,
        });
    }
    let block = if offset == next_offset || offset == 0 {
        offset
    } else {
        view.block_start(partition, offset)?
    };
    Ok(Position {
        partition,
        offset,
        block,
    })
}
