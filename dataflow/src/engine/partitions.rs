//! Where one worker is in its partitions.
//!
//! Offsets come in, record by record; what is new about them goes out once a tick.

use crate::graph::Read;

/// One partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) partition: u32,
    pub(super) first_offset: i64,
    pub(super) next_offset: i64,
    /// The next offset as of the last tick that told it.
    reported: Option<i64>,
}

/// See the module. A worker has few partitions, and records of one come in rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Partitions {
    places: Vec<Place>,
    last: usize,
}

impl Partitions {
    /// Says where a partition begins, and where its reading goes on.
    pub(super) fn begin(&mut self, partition: u32, first_offset: i64, next_offset: i64) {
        let place = self.place(partition, first_offset);
        (place.first_offset, place.next_offset) = (first_offset, next_offset);
    }

    /// Notes that a record was taken.
    pub(super) fn take(&mut self, partition: u32, offset: i64) {
        self.place(partition, offset).next_offset = offset + 1;
    }

    /// Notes that there is nothing more before an offset; whether that is news.
    pub(super) fn skip_to(&mut self, partition: u32, next_offset: i64) -> bool {
        let place = self.place(partition, next_offset);
        let is_news = place.next_offset < next_offset;
        place.next_offset = next_offset.max(place.next_offset);
        is_news
    }

    /// All, in the order in which they came up.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// Tells what is new since it was told last.
    pub(super) fn report(&mut self, mut tell: impl FnMut(Read, i64)) {
        for place in &mut self.places {
            // A partition is reported from the start on, at offset 0 too: by one more than it is.
            let reported = place.reported.unwrap_or_else(|| {
                tell(Read::FirstOffset(place.partition), place.first_offset + 1);
                -1
            });
            if reported != place.next_offset {
                tell(Read::Offset(place.partition), place.next_offset - reported);
                place.reported = Some(place.next_offset);
            }
        }
    }

    fn place(&mut self, partition: u32, offset: i64) -> &mut Place {
        let is_it = |place: &Place| place.partition == partition;
        if !self.places.get(self.last).is_some_and(is_it) {
            self.last = self.places.iter().position(is_it).unwrap_or_else(|| {
                self.places.push(Place {
                    partition,
                    first_offset: offset,
                    next_offset: offset,
                    reported: None,
                });
                self.places.len() - 1
            });
        }
        &mut self.places[self.last]
    }
}
