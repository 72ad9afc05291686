//! Rows in their order to the bytes of a Parquet file.
//!
//! A row group's rows are taken apart into columns as they come, and written when the group is
//! full. Texts that have a number are made once a file and shared, so a usual row allocates
//! nothing. Does not sort and does not look for equal rows.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dataflow::directory::{BLANK, NONE, Names};
use dataflow::kept::{Kept, KeptState, Numbering};
use dataflow::log_place::LogPlace;
use dataflow::vote_id::VoteIdKind;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;

use super::identity::{Choices, Contest, Identity};
use super::{Encoded, GROUP_ROWS, SCHEMA_TYPE, SegmentError};

/// Bytes of a hash and of a UUID.
const WIDE_BYTES: usize = 16;

/// A file that is being written.
pub struct Encoder {
    file: SerializedFileWriter<Vec<u8>>,
    texts: Texts,
    group: Group,
    rows: u64,
}

impl Encoder {
    /// A file without rows.
    pub fn new() -> Result<Encoder, SegmentError> {
        let file = SerializedFileWriter::new(
            Vec::new(),
            Arc::clone(&SCHEMA_TYPE),
            Arc::clone(&PROPERTIES),
        );
        Ok(Encoder {
            file: file.map_err(SegmentError::Encode)?,
            texts: Texts::new(),
            group: Group::default(),
            rows: 0,
        })
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row; rows come in the order of their [`Identity`], each once. The numbering may
    /// have more numbers than before.
    pub fn push(
        &mut self,
        kept: &Kept,
        checkpoint: u64,
        numbering: &Numbering<'_>,
    ) -> Result<(), SegmentError> {
        self.group
            .push(kept, checkpoint, numbering, &mut self.texts);
        self.rows += 1;
        if self.group.voters.values.len() == GROUP_ROWS * WIDE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// The whole file.
    pub fn finish(mut self) -> Result<Encoded, SegmentError> {
        if !self.group.late.is_empty() {
            self.flush()?;
        }
        let bytes = self.file.into_inner().map_err(SegmentError::Encode)?;
        Ok(Encoded {
            bytes: bytes.into(),
            rows: self.rows,
        })
    }

    fn flush(&mut self) -> Result<(), SegmentError> {
        let mut write = || {
            let mut writer = self.file.next_row_group()?;
            self.group.write(&mut writer)?;
            writer.close()
        };
        write().map_err(SegmentError::Encode)?;
        self.group.clear();
        Ok(())
    }
}

/// How columns are written. Random bytes do not compress; times of rows that are sorted by a
/// hash are smallest as packed differences, and compress no further; all other texts repeat.
static PROPERTIES: LazyLock<WriterPropertiesPtr> = LazyLock::new(|| {
    let path = |name: &str| ColumnPath::from(name);
    let voters = SortingColumn {
        column_idx: 0,
        descending: false,
        nulls_first: false,
    };
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("there is a level 1"));
    let mut properties = WriterProperties::builder()
        .set_compression(zstd)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_sorting_columns(Some(vec![voters]));
    for name in ["voter", "contest_hash", "vote_uuid", "vote_hash"] {
        properties = properties
            .set_column_compression(path(name), Compression::UNCOMPRESSED)
            .set_column_dictionary_enabled(path(name), false);
    }
    for name in ["timestamp", "log_time", "offset"] {
        properties = properties
            .set_column_compression(path(name), Compression::UNCOMPRESSED)
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED)
            .set_column_statistics_enabled(path(name), EnabledStatistics::Chunk);
    }
    for name in ["voter", "contest_id", "checkpoint"] {
        properties = properties.set_column_statistics_enabled(path(name), EnabledStatistics::Chunk);
    }
    Arc::new(properties.build())
});

/// The texts of numbers, in the writer's form.
struct Texts {
    contests: Vec<Option<ByteArray>>,
    candidates: Vec<Option<ByteArray>>,
    locations: Vec<Option<ByteArray>>,
    states: [ByteArray; KeptState::ALL.len()],
}

impl Texts {
    fn new() -> Texts {
        Texts {
            contests: Vec::new(),
            candidates: Vec::new(),
            locations: Vec::new(),
            states: KeptState::ALL.map(|state| ByteArray::from(state.as_str())),
        }
    }
}

fn cached(cache: &mut Vec<Option<ByteArray>>, names: &Names, number: u32) -> ByteArray {
    let place = number as usize;
    if cache.len() <= place {
        cache.resize(names.len().max(place + 1), None);
    }
    cache[place]
        .get_or_insert_with(|| ByteArray::from(&**names.text(number)))
        .clone()
}

/// The values of a column that are there, and for each row whether one is.
struct Optional<V> {
    levels: Vec<i16>,
    values: Vec<V>,
}

impl<V> Default for Optional<V> {
    fn default() -> Self {
        Optional {
            levels: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<V> Optional<V> {
    fn push(&mut self, value: Option<V>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn clear(&mut self) {
        self.levels.clear();
        self.values.clear();
    }
}

impl Optional<u8> {
    fn push_wide(&mut self, value: Option<[u8; WIDE_BYTES]>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value.into_iter().flatten());
    }
}

/// A row group's columns.
#[derive(Default)]
struct Group {
    voters: Optional<u8>,
    contests: Optional<ByteArray>,
    contest_hashes: Optional<u8>,
    vote_uuids: Optional<u8>,
    vote_hashes: Optional<u8>,
    candidates: Optional<ByteArray>,
    choices: Optional<ByteArray>,
    locations: Optional<ByteArray>,
    timestamps_ms: Optional<i64>,
    log_times_ms: Optional<i64>,
    partitions: Optional<i32>,
    offsets: Optional<i64>,
    late: Vec<bool>,
    states: Vec<ByteArray>,
    checkpoints: Vec<i64>,
}

impl Group {
    fn push(&mut self, kept: &Kept, checkpoint: u64, numbering: &Numbering<'_>, texts: &mut Texts) {
        let event = &kept.event;
        // Texts are looked at only where there are some: a usual row is all numbers.
        let spelled = event.unusual.as_ref();
        let spelled = spelled.map(|_| Identity::of(event, numbering));
        let own = |text: Option<&str>| text.map(ByteArray::from);
        self.voters.push_wide(Some(event.voter.to_be_bytes()));
        let contest = spelled.as_ref().map(|spelled| spelled.contest);
        self.contests.push(match event.contest {
            NONE => match contest {
                Some(Contest::Named(id)) => own(Some(id)),
                _ => None,
            },
            number => Some(cached(&mut texts.contests, numbering.contests, number)),
        });
        self.contest_hashes.push_wide(match contest {
            Some(Contest::Hashed(hash)) => Some(hash.to_be_bytes()),
            _ => None,
        });
        let vote = |kind| (event.vote.kind == kind).then_some(event.vote.bytes);
        self.vote_uuids.push_wide(vote(VoteIdKind::Uuid));
        self.vote_hashes.push_wide(vote(VoteIdKind::Hash));
        let choices = spelled.as_ref().map(|spelled| spelled.choices);
        self.candidates.push(match choices {
            Some(choices) => own(choices.first()),
            None if event.void || event.candidate == BLANK => None,
            None => {
                let names = numbering.candidates;
                Some(cached(&mut texts.candidates, names, event.candidate))
            }
        });
        self.choices
            .push(choices.and_then(Choices::many).map(|list| {
                let json = serde_json::to_vec(list).expect("texts are plain data");
                ByteArray::from(json)
            }));
        self.locations.push(match event.location {
            _ if event.void => None,
            NONE => own(spelled.as_ref().and_then(|spelled| spelled.location)),
            number => Some(cached(&mut texts.locations, numbering.locations, number)),
        });
        let is_timed = !event.untimed && !event.void;
        self.timestamps_ms.push(is_timed.then_some(event.time_ms));
        let is_untimed = event.untimed && !event.void;
        self.log_times_ms.push(is_untimed.then_some(event.time_ms));
        let place = (!event.void).then_some(event.place);
        let partition = place.map(|place| place.partition().cast_signed());
        self.partitions.push(partition);
        self.offsets.push(place.map(LogPlace::offset));
        self.late.push(event.late && !event.void);
        // A void's state is no matter of the caller's: readers know voids by it.
        let state = if event.void {
            KeptState::Void
        } else {
            kept.state
        };
        self.states.push(texts.states[state as usize].clone());
        self.checkpoints.push(checkpoint.cast_signed());
    }

    fn write(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    ) -> Result<(), ParquetError> {
        // In the order of the schema.
        let voters = wide(&mut self.voters.values);
        column::<FixedLenByteArrayType>(group, &voters, None)?;
        optional::<ByteArrayType>(group, &self.contests)?;
        optional_wide(group, &mut self.contest_hashes)?;
        optional_wide(group, &mut self.vote_uuids)?;
        optional_wide(group, &mut self.vote_hashes)?;
        optional::<ByteArrayType>(group, &self.candidates)?;
        optional::<ByteArrayType>(group, &self.choices)?;
        optional::<ByteArrayType>(group, &self.locations)?;
        optional::<Int64Type>(group, &self.timestamps_ms)?;
        optional::<Int64Type>(group, &self.log_times_ms)?;
        optional::<Int32Type>(group, &self.partitions)?;
        optional::<Int64Type>(group, &self.offsets)?;
        column::<BoolType>(group, &self.late, None)?;
        column::<ByteArrayType>(group, &self.states, None)?;
        column::<Int64Type>(group, &self.checkpoints, None)
    }

    fn clear(&mut self) {
        self.voters.clear();
        self.contests.clear();
        self.contest_hashes.clear();
        self.vote_uuids.clear();
        self.vote_hashes.clear();
        self.candidates.clear();
        self.choices.clear();
        self.locations.clear();
        self.timestamps_ms.clear();
        self.log_times_ms.clear();
        self.partitions.clear();
        self.offsets.clear();
        self.late.clear();
        self.states.clear();
        self.checkpoints.clear();
    }
}

/// Values of 16 bytes that share one buffer.
fn wide(values: &mut Vec<u8>) -> Vec<FixedLenByteArray> {
    let bytes = Bytes::from(std::mem::take(values));
    (0..bytes.len())
        .step_by(WIDE_BYTES)
        .map(|at| ByteArray::from(bytes.slice(at..at + WIDE_BYTES)).into())
        .collect()
}

fn optional_wide(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &mut Optional<u8>,
) -> Result<(), ParquetError> {
    let wide = wide(&mut values.values);
    column::<FixedLenByteArrayType>(group, &wide, Some(&values.levels))
}

fn optional<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &Optional<T::T>,
) -> Result<(), ParquetError> {
    column::<T>(group, &values.values, Some(&values.levels))
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("a column of the schema");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
