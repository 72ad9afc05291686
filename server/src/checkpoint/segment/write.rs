//! Kept events in any order to segments.
//!
//! Sorting is by the first half of the voter's hash, which is random, so that a comparison looks
//! at the events themselves only where these halves meet.

use dataflow::kept::{Kept, Numbering};

use super::{Encoded, Encoder, FILE_ROWS_MAX, Identity, SegmentError};

/// Writes one file. Of rows with one identity the last given is kept; rows come in the order of
/// ticks. Callers keep to [`FILE_ROWS_MAX`], or use [`write_files`].
#[cfg(test)]
pub fn write(
    rows: Vec<Kept>,
    numbering: Numbering<'_>,
    checkpoint: u64,
) -> Result<Encoded, SegmentError> {
    let mut encoder = Encoder::new()?;
    for place in sorted(&rows, &numbering) {
        encoder.push(&rows[place], checkpoint, &numbering)?;
    }
    encoder.finish()
}

/// Writes files of disjoint, ascending ranges with at most [`FILE_ROWS_MAX`] rows each: the files
/// of a run. Each is given away when it is done, so one is held at a time; no rows are no file.
pub fn write_files<E: From<SegmentError>>(
    rows: &[Kept],
    numbering: Numbering<'_>,
    checkpoint: u64,
    mut each: impl FnMut(Encoded) -> Result<(), E>,
) -> Result<(), E> {
    for places in sorted(rows, &numbering).chunks(FILE_ROWS_MAX) {
        let mut encoder = Encoder::new()?;
        for &place in places {
            encoder.push(&rows[place], checkpoint, &numbering)?;
        }
        each(encoder.finish()?)?;
    }
    Ok(())
}

/// The places of the rows that stay, in the order of their identities.
fn sorted(rows: &[Kept], numbering: &Numbering<'_>) -> Vec<usize> {
    let identity = |place: usize| Identity::of(&rows[place].event, numbering);
    let mut keys: Vec<(u64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| ((row.event.voter >> 64) as u64, place))
        .collect();
    keys.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| identity(a.1).cmp(&identity(b.1)))
            .then(a.1.cmp(&b.1))
    });
    let is_last = |at: usize| match keys.get(at + 1) {
        Some(next) => next.0 != keys[at].0 || identity(next.1) != identity(keys[at].1),
        None => true,
    };
    let places = (0..keys.len()).filter(|&at| is_last(at));
    places.map(|at| keys[at].1).collect()
}
