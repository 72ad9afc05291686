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

/// Commits, loads, notices damage and sweeps, in any place.
pub(super) fn cycle(place: &super::Place) {
    damage::cycle(place);
}
