//! The laws of checkpoints, over events as texts.
//!
//! The oracle is a map from what identifies an event to the rest of it, made by a plain loop that
//! shares nothing with the segments.

mod crash;
mod damage;
mod events;
mod figures;
mod merging;
mod retention;
mod segments;

/// Two checkpoints, a merge and a sweep in any place.
pub(super) fn cycle(place: &super::Place) {
    damage::cycle(place);
}
