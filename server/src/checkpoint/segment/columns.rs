//! A row group's columns as vectors, checked to be as long as they should be.

use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::file::reader::RowGroupReader;

use super::{Column, SCHEMA_COLUMNS, SegmentError, unreadable};

/// The values that are there, and for each row whether one is.
pub struct Optional<V> {
    /// 1 for a row that has a value, else 0; empty for a column whose rows all have one.
    pub levels: Vec<i16>,
    /// The values that are there.
    pub values: Vec<V>,
}

impl<V> Optional<V> {
    /// The rows that have a value.
    pub fn present(&self) -> impl Iterator<Item = (usize, &V)> {
        let rows = self.levels.iter().enumerate();
        let present = rows.filter_map(|(at, level)| (*level == 1).then_some(at));
        present.zip(&self.values)
    }
}

/// The values of a column whose rows all have one.
pub fn values<T: DataType>(
    group: &dyn RowGroupReader,
    column: Column,
) -> Result<Vec<T::T>, SegmentError> {
    Ok(optional::<T>(group, column)?.values)
}

/// A column of a row group, as long as that is.
pub fn optional<T: DataType>(
    group: &dyn RowGroupReader,
    column: Column,
) -> Result<Optional<T::T>, SegmentError> {
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
    let reader = group
        .get_column_reader(column as usize)
        .map_err(unreadable)?;
    let mut reader = get_typed_column_reader::<T>(reader);
    let mut read = Optional {
        levels: Vec::with_capacity(rows),
        values: Vec::with_capacity(rows),
    };
    let (records, ..) = reader
        .read_records(rows, Some(&mut read.levels), None, &mut read.values)
        .map_err(unreadable)?;
    let is_required = SCHEMA_COLUMNS.column(column as usize).max_def_level() == 0;
    let present = read.levels.iter().filter(|level| **level == 1).count();
    let expected = if is_required { rows } else { present };
    let levels = if is_required { 0 } else { rows };
    if records != rows || read.values.len() != expected || read.levels.len() != levels {
        return Err(SegmentError::malformed(
            "a column is shorter than its row group",
        ));
    }
    Ok(read)
}

/// A value of 16 bytes.
pub fn wide(value: &FixedLenByteArray) -> Result<u128, SegmentError> {
    let bytes = <[u8; 16]>::try_from(value.data());
    let bytes = bytes.map_err(|_| SegmentError::malformed("a value has not 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

/// A text.
pub fn utf8(text: &ByteArray) -> Result<&str, SegmentError> {
    str::from_utf8(text.data()).map_err(|_| SegmentError::malformed("a text is no UTF-8"))
}

/// What has become of recent texts, by where they lie: those of a dictionary lie at one place
/// however often they come. Holds for one column that is in memory as a whole.
pub struct Recent<V> {
    slots: Vec<Option<(usize, usize, Option<V>)>>,
}

/// Slots of a column's recent texts, a power of two: a few thousand locations mostly fit.
const RECENT: usize = 4096;

impl<V: Copy> Recent<V> {
    /// None yet.
    pub fn new() -> Recent<V> {
        Recent {
            slots: vec![None; RECENT],
        }
    }

    /// What `find` says of a text, or said of it lately.
    pub fn get(
        &mut self,
        text: &ByteArray,
        find: impl FnOnce(&str) -> Option<V>,
    ) -> Result<Option<V>, SegmentError> {
        let (at, len) = (text.data().as_ptr() as usize, text.data().len());
        // Fibonacci hashing: neighbours in the dictionary go to slots far apart.
        let slot = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT.ilog2());
        let slot = &mut self.slots[slot as usize];
        match slot {
            Some((known_at, known_len, value)) if (*known_at, *known_len) == (at, len) => {
                Ok(*value)
            }
            _ => {
                let value = find(utf8(text)?);
                *slot = Some((at, len, value));
                Ok(value)
            }
        }
    }
}
