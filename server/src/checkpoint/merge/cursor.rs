//! A place in a run, while it is merged.
//!
//! Holds one file and one decoded row group, and makes sure that rows ascend: a merge of rows in
//! another order would keep two versions of one event.

use std::slice;

use dataflow::directory::Names;
use dataflow::kept::{Kept, Numbering};

use super::super::damage::SegmentRef;
use super::super::load::read_segment;
use super::super::manifest::Run;
use super::super::place::Place;
use super::super::segment::{Identity, Lookup, Segment};
use super::MergeError;

/// The most texts of a kind that a merge gives numbers; others are carried as texts, so votes for
/// invented names do not fill the memory.
const NAMES_MAX: usize = 1 << 17;

/// The numbers of one merge.
#[derive(Default)]
pub struct Interned {
    contests: Names,
    candidates: Names,
    locations: Names,
}

impl Interned {
    /// The numbers given so far.
    pub fn numbering(&self) -> Numbering<'_> {
        Numbering {
            contests: &self.contests,
            candidates: &self.candidates,
            locations: &self.locations,
        }
    }
}

fn give(names: &mut Names, text: &str) -> Option<u32> {
    if names.len() < NAMES_MAX {
        Some(names.give(text))
    } else {
        names.number(text)
    }
}

impl Lookup for Interned {
    fn contest(&mut self, text: &str) -> Option<u32> {
        give(&mut self.contests, text)
    }

    fn candidate(&mut self, text: &str) -> Option<u32> {
        give(&mut self.candidates, text)
    }

    fn location(&mut self, text: &str) -> Option<u32> {
        give(&mut self.locations, text)
    }
}

/// See the module.
pub struct Cursor<'a> {
    /// The voter of the row that it is at.
    pub voter: u128,
    place: &'a Place,
    files: slice::Iter<'a, SegmentRef>,
    /// The file that it is in, and the next row group there.
    open: Option<(&'a SegmentRef, Segment, usize)>,
    rows: Vec<Kept>,
    checkpoints: Vec<u64>,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first row of a run; `None` for a run without rows.
    pub fn open(
        place: &'a Place,
        run: &'a Run,
        interned: &mut Interned,
    ) -> Result<Option<Cursor<'a>>, MergeError> {
        let mut cursor = Cursor {
            voter: 0,
            place,
            files: run.files.iter(),
            open: None,
            rows: Vec::new(),
            checkpoints: Vec::new(),
            at: 0,
        };
        Ok(cursor.read_group(interned)?.then_some(cursor))
    }

    /// The row that it is at.
    pub fn row(&self) -> &Kept {
        &self.rows[self.at]
    }

    /// What identifies the event that it is at.
    pub fn identity<'b>(&'b self, numbering: &Numbering<'b>) -> Identity<'b> {
        Identity::of(&self.row().event, numbering)
    }

    /// The number of the checkpoint that wrote the row.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoints[self.at]
    }

    /// A copy of the row.
    pub fn take(&self) -> Kept {
        self.row().clone()
    }

    /// Goes to the next row; `false` at the end.
    pub fn step(&mut self, interned: &mut Interned) -> Result<bool, MergeError> {
        self.at += 1;
        if self.at == self.rows.len() {
            return self.read_group(interned);
        }
        self.voter = self.rows[self.at].event.voter;
        Ok(true)
    }

    /// Reads the next row group that has rows, of this file or of one that follows.
    fn read_group(&mut self, interned: &mut Interned) -> Result<bool, MergeError> {
        loop {
            match &mut self.open {
                Some((file, segment, next)) if *next < segment.row_groups() => {
                    let last = self.rows.pop();
                    (self.rows, self.checkpoints) = segment.read_versions(*next, interned)?;
                    *next += 1;
                    let numbering = interned.numbering();
                    let of = |kept: &'_ Kept| kept.event.voter;
                    let ascend = |a: &Kept, b: &Kept| {
                        of(a) < of(b)
                            || (of(a) == of(b)
                                && Identity::of(&a.event, &numbering)
                                    < Identity::of(&b.event, &numbering))
                    };
                    let all = last.iter().chain(&self.rows);
                    if !all.is_sorted_by(|a, b| ascend(a, b)) {
                        return Err(MergeError::Unsorted {
                            name: file.name.clone(),
                        });
                    }
                    self.at = 0;
                    if let Some(first) = self.rows.first() {
                        self.voter = first.event.voter;
                        return Ok(true);
                    }
                }
                _ => {
                    let Some(file) = self.files.next() else {
                        return Ok(false);
                    };
                    // The file before goes first, so that one is held at a time.
                    self.open = None;
                    let segment = Segment::open(read_segment(self.place, file)?)?;
                    self.open = Some((file, segment, 0));
                }
            }
        }
    }
}
