//! What is written is what is read.

use bytes::Bytes;
use proptest::prelude::*;

use super::events::{Directory, Events, events, shown};
use crate::checkpoint::segment::{Encoded, Identity, Segment, write};

proptest! {
    #[test]
    fn segment_gives_back_each_event_once_under_any_directory(rows in events(0..60)) {
        let (writer, reader) = (Directory::knowing(0), Directory::knowing(1));
        let kept: Vec<_> = rows.iter().map(|event| writer.kept(event)).collect();
        let written = write(kept, writer.numbering(), 7).unwrap();
        let expected: Events = rows.into_iter().collect();
        prop_assert_eq!(written.rows, expected.len() as u64);

        let read = read_all(&written, &reader);
        let numbering = reader.numbering();
        let ids: Vec<_> = read.iter().map(|kept| Identity::of(&kept.event, &numbering)).collect();
        prop_assert!(ids.is_sorted_by(|a, b| a < b));
        let as_kept: Vec<_> = read.iter().map(|kept| reader.kept(&reader.event(kept))).collect();
        prop_assert_eq!(shown(&read), shown(&as_kept), "not as intake would have it");
        let found: Events = read.iter().map(|kept| reader.event(kept)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn segment_is_the_same_for_any_order_of_different_events(
        rows in events(0..40).prop_map(|rows| rows.into_iter().collect::<Events>()),
        seed in any::<u64>(),
    ) {
        let directory = Directory::knowing(0);
        let kept: Vec<_> = rows.into_iter().map(|event| directory.kept(&event)).collect();
        let mut shuffled = kept.clone();
        let len = shuffled.len().max(1);
        for at in 0..shuffled.len() {
            shuffled.swap(at, (seed as usize).wrapping_mul(at + 1) % len);
        }
        let numbering = directory.numbering();
        let (one, other) = (write(kept, numbering, 1), write(shuffled, numbering, 1));
        prop_assert_eq!(one.unwrap().bytes, other.unwrap().bytes);
    }

    #[test]
    fn a_file_that_is_no_segment_is_an_error_and_no_panic(
        rows in events(1..20),
        damages in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let directory = Directory::knowing(0);
        let kept = rows.iter().map(|event| directory.kept(event)).collect();
        let mut bytes = write(kept, directory.numbering(), 7).unwrap().bytes.to_vec();
        for (at, flip) in damages {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        bytes.truncate(cut.map_or(bytes.len(), |at| at.index(bytes.len())));
        // Without its checksum some damage goes unseen here, and that is what checksums are for.
        let outcome = Segment::open(bytes.into()).and_then(|segment| {
            (0..segment.row_groups())
                .map(|group| segment.read(group, directory.numbering()))
                .collect::<Result<Vec<_>, _>>()
        });
        if let Err(error) = outcome {
            prop_assert!(error.to_string().contains("restore the checkpoints"));
        }
    }
}

#[test]
fn what_was_never_a_segment_is_an_error() {
    for bytes in [
        &b""[..],
        b"PAR1",
        b"PAR1\0\0\0\0PAR1",
        b"{\"manifest\": 1}",
        &[0; 64],
    ] {
        assert!(
            Segment::open(Bytes::copy_from_slice(bytes)).is_err(),
            "{bytes:?}"
        );
    }
}

pub fn read_all(file: &Encoded, directory: &Directory) -> Vec<dataflow::kept::Kept> {
    let segment = Segment::open(file.bytes.clone()).unwrap();
    assert_eq!(segment.rows(), file.rows);
    (0..segment.row_groups())
        .flat_map(|group| segment.read(group, directory.numbering()).unwrap())
        .collect()
}
