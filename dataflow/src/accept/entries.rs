//! The entries of a shard: in chunks, so that growing copies nothing and reserves little.
//!
//! An entry keeps its place for ever.

use std::ops::{Index, IndexMut, Range};

use super::entry::Entry;

/// Entries of a chunk: as many as 16 KiB hold, which an allocator gives without waste.
const IN_CHUNK: usize = (16 << 10) / size_of::<Entry>();

/// The least room of the first chunk, which grows twofold: most polls are small.
const FIRST: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Entries {
    chunks: Vec<Vec<Entry>>,
}

impl Entries {
    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        match self.chunks.split_last() {
            None => 0,
            Some((last, full)) => (full.len() * IN_CHUNK + last.len()) as u32,
        }
    }

    /// Adds one and says its place.
    pub(super) fn push(&mut self, entry: Entry) -> u32 {
        let place = self.len();
        if (place as usize).is_multiple_of(IN_CHUNK) {
            let room = if place == 0 { FIRST } else { IN_CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        if let Some(last) = self.chunks.last_mut() {
            if last.len() == last.capacity() {
                last.reserve_exact(last.len().min(IN_CHUNK - last.len()));
            }
            last.push(entry);
        }
        place
    }

    /// Those of a range of places.
    pub(super) fn range(&self, places: Range<u32>) -> impl Iterator<Item = &Entry> {
        places.map(|place| &self[place])
    }
}

impl Index<u32> for Entries {
    type Output = Entry;

    fn index(&self, place: u32) -> &Entry {
        let place = place as usize;
        &self.chunks[place / IN_CHUNK][place % IN_CHUNK]
    }
}

impl IndexMut<u32> for Entries {
    fn index_mut(&mut self, place: u32) -> &mut Entry {
        let place = place as usize;
        &mut self.chunks[place / IN_CHUNK][place % IN_CHUNK]
    }
}
