//! The bytes of a segment back to kept events.
//!
//! Column by column of a row group. Texts become numbers where the directory of the reader has
//! them, and are spelled out else. Callers have compared the bytes with their checksum; what is
//! no segment all the same is an error that says what does not fit.

use std::panic::{self, AssertUnwindSafe};

use bytes::Bytes;
use dataflow::directory::{BLANK, NONE};
use dataflow::intake::{Arrival, UnknownContest, Unusual};
use dataflow::kept::{Kept, KeptState, Numbering};
use dataflow::log_place::LogPlace;
use dataflow::vote_id::{VoteId, VoteIdKind};
use parquet::data_type::{
    BoolType, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::reader::{FileReader as _, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;

use super::columns::{Recent, optional, utf8, values, wide};
use super::{Column, GROUP_ROWS_MAX, SCHEMA_COLUMNS, SegmentError, unreadable};

/// Gives texts their numbers.
pub trait Lookup {
    /// The number of a contest.
    fn contest(&mut self, text: &str) -> Option<u32>;
    /// The number of a candidate.
    fn candidate(&mut self, text: &str) -> Option<u32>;
    /// The number of a location.
    fn location(&mut self, text: &str) -> Option<u32>;
}

impl Lookup for Numbering<'_> {
    fn contest(&mut self, text: &str) -> Option<u32> {
        self.contests.number(text)
    }

    fn candidate(&mut self, text: &str) -> Option<u32> {
        self.candidates.number(text)
    }

    fn location(&mut self, text: &str) -> Option<u32> {
        self.locations.number(text)
    }
}

/// A segment, open.
pub struct Segment {
    file: SerializedFileReader<Bytes>,
}

impl Segment {
    /// Reads what the file says of itself; its bytes are verified before.
    pub fn open(bytes: Bytes) -> Result<Segment, SegmentError> {
        let size = bytes.len() as u64;
        let open = || SerializedFileReader::new(bytes).map_err(unreadable);
        let file = without_panic(open)?;
        check_schema(&file)?;
        check_ranges(&file, size)?;
        for group in file.metadata().row_groups() {
            let rows = group.num_rows();
            if !usize::try_from(rows).is_ok_and(|rows| rows <= GROUP_ROWS_MAX) {
                let what = format!("a row group has {rows} rows, over {GROUP_ROWS_MAX}");
                return Err(SegmentError::malformed(what));
            }
        }
        Ok(Segment { file })
    }

    /// How many row groups it has.
    pub fn row_groups(&self) -> usize {
        self.file.metadata().num_row_groups()
    }

    /// How many rows it has.
    #[cfg(test)]
    pub fn rows(&self) -> u64 {
        let groups = self.file.metadata().row_groups().iter();
        groups.map(|group| group.num_rows().unsigned_abs()).sum()
    }

    /// The events of a row group, in their order.
    pub fn read(
        &self,
        row_group: usize,
        mut numbering: Numbering<'_>,
    ) -> Result<Vec<Kept>, SegmentError> {
        Ok(self.read_versions(row_group, &mut numbering)?.0)
    }

    /// The same, with the number of the checkpoint that wrote each.
    pub fn read_versions(
        &self,
        row_group: usize,
        lookup: &mut impl Lookup,
    ) -> Result<(Vec<Kept>, Vec<u64>), SegmentError> {
        without_panic(|| {
            let group = self.file.get_row_group(row_group).map_err(unreadable)?;
            let mut rows = Rows::new(&*group)?;
            rows.read_states()?;
            rows.read_contests(lookup)?;
            rows.read_vote_ids()?;
            rows.read_choices(lookup)?;
            rows.read_locations(lookup)?;
            rows.read_times()?;
            rows.read_places()?;
            let checkpoints = values::<Int64Type>(&*group, Column::Checkpoint)?;
            let checkpoints = checkpoints.into_iter().map(i64::cast_unsigned).collect();
            Ok((rows.rows, checkpoints))
        })
    }
}

/// The format's library panics at some files that are none. Those that are verified are not
/// among them; for any other a message is better than the end of the process.
fn without_panic<T>(read: impl FnOnce() -> Result<T, SegmentError>) -> Result<T, SegmentError> {
    // What was being made is dropped, so nobody sees it half made.
    panic::catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(SegmentError::malformed("reading it panicked")))
}

/// Whether every column lies in the file.
fn check_ranges(file: &SerializedFileReader<Bytes>, size: u64) -> Result<(), SegmentError> {
    let mut groups = file.metadata().row_groups().iter();
    let fits = groups.all(|group| {
        group.columns().iter().all(|column| {
            let start = column
                .dictionary_page_offset()
                .unwrap_or(column.data_page_offset());
            match (
                u64::try_from(start),
                u64::try_from(column.compressed_size()),
            ) {
                (Ok(start), Ok(bytes)) => start.checked_add(bytes).is_some_and(|end| end <= size),
                _ => false,
            }
        })
    });
    if fits {
        Ok(())
    } else {
        Err(SegmentError::malformed("a column is outside of the file"))
    }
}

fn check_schema(file: &SerializedFileReader<Bytes>) -> Result<(), SegmentError> {
    let (found, known) = (
        file.metadata().file_metadata().schema_descr(),
        &*SCHEMA_COLUMNS,
    );
    let fits = found.num_columns() == known.num_columns()
        && found.columns().iter().zip(known.columns()).all(|(a, b)| {
            a.path() == b.path()
                && a.physical_type() == b.physical_type()
                && a.type_length() == b.type_length()
                && a.max_def_level() == b.max_def_level()
                && a.max_rep_level() == b.max_rep_level()
        });
    if fits {
        Ok(())
    } else {
        Err(SegmentError::malformed("its columns are others"))
    }
}

/// A row group's events, on their way from columns to rows.
struct Rows<'a> {
    group: &'a dyn RowGroupReader,
    rows: Vec<Kept>,
}

impl<'a> Rows<'a> {
    fn new(group: &'a dyn RowGroupReader) -> Result<Rows<'a>, SegmentError> {
        let voters = values::<FixedLenByteArrayType>(group, Column::Voter)?;
        let row = |voter: &FixedLenByteArray| {
            Ok(Kept {
                event: Arrival {
                    voter: wide(voter)?,
                    contest: NONE,
                    candidate: BLANK,
                    location: NONE,
                    ..Arrival::default()
                },
                state: KeptState::default(),
            })
        };
        let rows = voters
            .iter()
            .map(row)
            .collect::<Result<_, SegmentError>>()?;
        Ok(Rows { group, rows })
    }

    fn read_states(&mut self) -> Result<(), SegmentError> {
        let states = values::<ByteArrayType>(self.group, Column::State)?;
        let late = values::<BoolType>(self.group, Column::Late)?;
        let mut known = Recent::new();
        for ((row, text), late) in self.rows.iter_mut().zip(&states).zip(late) {
            let state = known.get(text, |text| {
                let mut all = KeptState::ALL.into_iter();
                all.find(|state| state.as_str() == text)
            })?;
            row.state = state.ok_or_else(|| SegmentError::malformed("a state is unknown"))?;
            row.event.void = row.state == KeptState::Void;
            row.event.late = late;
        }
        Ok(())
    }

    fn read_contests(&mut self, lookup: &mut impl Lookup) -> Result<(), SegmentError> {
        let contests = optional::<ByteArrayType>(self.group, Column::Contest)?;
        let mut known = Recent::new();
        for (at, text) in contests.present() {
            let event = &mut self.rows[at].event;
            match known.get(text, |text| lookup.contest(text))? {
                Some(number) => event.contest = number,
                None => {
                    let id = utf8(text)?.into();
                    unusual(event).contest = Some(UnknownContest::Named(id));
                }
            }
        }
        let hashes = optional::<FixedLenByteArrayType>(self.group, Column::ContestHash)?;
        for (at, hash) in hashes.present() {
            if contests.levels[at] == 1 {
                let what = "a row has both a contest and the hash of one";
                return Err(SegmentError::malformed(what));
            }
            let event = &mut self.rows[at].event;
            unusual(event).contest = Some(UnknownContest::Hashed(wide(hash)?));
        }
        Ok(())
    }

    fn read_vote_ids(&mut self) -> Result<(), SegmentError> {
        let uuids = optional::<FixedLenByteArrayType>(self.group, Column::VoteUuid)?;
        let hashes = optional::<FixedLenByteArrayType>(self.group, Column::VoteHash)?;
        for (kind, ids) in [(VoteIdKind::Uuid, &uuids), (VoteIdKind::Hash, &hashes)] {
            for (at, id) in ids.present() {
                let vote = &mut self.rows[at].event.vote;
                if !vote.is_voters() {
                    return Err(SegmentError::malformed("a row has two vote ids"));
                }
                let bytes = wide(id)?.to_be_bytes();
                *vote = VoteId { kind, bytes };
            }
        }
        Ok(())
    }

    fn read_choices(&mut self, lookup: &mut impl Lookup) -> Result<(), SegmentError> {
        let first = optional::<ByteArrayType>(self.group, Column::Candidate)?;
        let mut known = Recent::new();
        for (at, text) in first.present() {
            let event = self.cast(at)?;
            match known.get(text, |text| lookup.candidate(text))? {
                Some(number) => event.candidate = number,
                None => unusual(event).choices = Some(vec![utf8(text)?.into()]),
            }
        }
        let lists = optional::<ByteArrayType>(self.group, Column::Choices)?;
        for (at, json) in lists.present() {
            let list: Vec<Box<str>> = serde_json::from_slice(json.data())
                .map_err(|_| SegmentError::malformed("choices are no list of texts"))?;
            let event = self.cast(at)?;
            event.candidate = BLANK;
            unusual(event).choices = Some(list);
        }
        Ok(())
    }

    fn read_locations(&mut self, lookup: &mut impl Lookup) -> Result<(), SegmentError> {
        let locations = optional::<ByteArrayType>(self.group, Column::Location)?;
        let mut known = Recent::new();
        for (at, text) in locations.present() {
            let event = self.cast(at)?;
            match known.get(text, |text| lookup.location(text))? {
                Some(number) => event.location = number,
                None => unusual(event).location = Some(utf8(text)?.into()),
            }
        }
        Ok(())
    }

    fn read_times(&mut self) -> Result<(), SegmentError> {
        let own = optional::<Int64Type>(self.group, Column::Timestamp)?;
        let logged = optional::<Int64Type>(self.group, Column::LogTime)?;
        for (row, levels) in self.rows.iter().zip(own.levels.iter().zip(&logged.levels)) {
            // A cast has one of the two, a void has neither.
            if (levels.0 != levels.1) == row.event.void {
                let what = "a row has both times, or none";
                return Err(SegmentError::malformed(what));
            }
        }
        for (at, time_ms) in own.present() {
            self.cast(at)?.time_ms = *time_ms;
        }
        for (at, time_ms) in logged.present() {
            let event = self.cast(at)?;
            (event.time_ms, event.untimed) = (*time_ms, true);
        }
        Ok(())
    }

    fn read_places(&mut self) -> Result<(), SegmentError> {
        let partitions = optional::<Int32Type>(self.group, Column::Partition)?;
        let offsets = optional::<Int64Type>(self.group, Column::Offset)?;
        let levels = partitions.levels.iter().zip(&offsets.levels);
        for (row, levels) in self.rows.iter().zip(levels) {
            let place = (!row.event.void).into();
            if levels != (&place, &place) {
                let what = "a cast lies at no place in the log, or a void at one";
                return Err(SegmentError::malformed(what));
            }
        }
        for ((at, partition), offset) in partitions.present().zip(&offsets.values) {
            let is_known = |partition: &u32| *partition <= LogPlace::PARTITION_MAX;
            let partition = u32::try_from(*partition).ok().filter(is_known);
            let is_offset = (0..=LogPlace::OFFSET_MAX).contains(offset);
            let (Some(partition), true) = (partition, is_offset) else {
                return Err(SegmentError::malformed("a place is none of a log"));
            };
            self.rows[at].event.place = LogPlace::new(partition, *offset);
        }
        Ok(())
    }

    /// A row that must be a cast, since it has what no void has.
    fn cast(&mut self, at: usize) -> Result<&mut Arrival, SegmentError> {
        let event = &mut self.rows[at].event;
        if event.void {
            return Err(SegmentError::malformed("a void has what only casts have"));
        }
        Ok(event)
    }
}

fn unusual(event: &mut Arrival) -> &mut Unusual {
    event.unusual.get_or_insert_default()
}
