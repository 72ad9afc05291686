//! What changed in one contest between two published ticks: keys, and what left a count.
//!
//! Only keys are kept; rows come from the snapshot that the change is shown with. So changes
//! merge by union, and a merged change shows the latest rows.

use std::collections::{BTreeMap, BTreeSet};

use super::contest::{ContestView, Ranked};
use super::windows::Window;
use crate::accept::Why;
use crate::directory::{Directory, Tree};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContestChange {
    pub(super) candidates: BTreeSet<u32>,
    pub(super) locations: BTreeSet<u32>,
    pub(super) windows: BTreeSet<i64>,
    pub(super) corrections: BTreeMap<(u32, Why), u64>,
}

impl ContestChange {
    /// Adds a later change to this one.
    pub fn merge(&mut self, later: &ContestChange) {
        self.candidates.extend(&later.candidates);
        self.locations.extend(&later.locations);
        self.windows.extend(&later.windows);
        for (key, minus) in &later.corrections {
            *self.corrections.entry(*key).or_default() += minus;
        }
    }

    /// Roughly how many bytes it holds, for a bound.
    pub fn bytes(&self) -> usize {
        let keys = self.candidates.len() + self.locations.len();
        size_of::<ContestChange>()
            + keys * 2 * size_of::<u32>()
            + self.windows.len() * 2 * size_of::<i64>()
            + self.corrections.len() * 4 * size_of::<u64>()
    }

    pub(super) fn note_candidates(&mut self, was: &ContestView, is: &ContestView) {
        let key = |ranked: &Ranked| ranked.candidate;
        let same =
            |a: &Ranked, b: &Ranked| (a.votes, a.rank, a.share) == (b.votes, b.rank, b.share);
        note(&was.ranking, &is.ranking, key, same, &mut self.candidates);
    }

    pub(super) fn note_windows(&mut self, was: &ContestView, is: &ContestView) {
        let key = |window: &Window| window.start_ms;
        note(
            &was.windows,
            &is.windows,
            key,
            Window::eq,
            &mut self.windows,
        );
    }

    /// Notes what a new register shows otherwise.
    pub(super) fn note_renewal(&mut self, number: u32, was: &Directory, is: &Directory) {
        let candidates = |directory: &Directory| -> BTreeMap<u32, _> {
            let line_up = directory.line_ups.get(&number).into_iter().flatten();
            line_up
                .map(|&(candidate, row)| (candidate, directory.register.candidates[row].clone()))
                .collect()
        };
        note_maps(&candidates(was), &candidates(is), &mut self.candidates);
        let locations = |directory: &Directory| -> BTreeMap<u32, _> {
            let election = directory.place_of(number).map(|place| place.election);
            let tree = election.and_then(|election| directory.trees.get(&election));
            let nodes = tree
                .into_iter()
                .flat_map(|tree: &std::sync::Arc<Tree>| tree.nodes());
            nodes
                .map(|(location, node)| (location, node.clone()))
                .collect()
        };
        note_maps(&locations(was), &locations(is), &mut self.locations);
    }
}

/// Notes the keys of rows that came, went or differ.
fn note<T, K: Ord + Copy>(
    was: &[T],
    is: &[T],
    key: impl Fn(&T) -> K,
    same: impl Fn(&T, &T) -> bool,
    into: &mut BTreeSet<K>,
) {
    let before: BTreeMap<K, &T> = was.iter().map(|row| (key(row), row)).collect();
    let after: BTreeMap<K, &T> = is.iter().map(|row| (key(row), row)).collect();
    let gone = before.keys().filter(|key| !after.contains_key(key));
    into.extend(gone.copied());
    for (key, row) in after {
        if !before.get(&key).is_some_and(|before| same(before, row)) {
            into.insert(key);
        }
    }
}

fn note_maps<K: Ord + Copy, V: PartialEq>(
    was: &BTreeMap<K, V>,
    is: &BTreeMap<K, V>,
    into: &mut BTreeSet<K>,
) {
    into.extend(was.keys().filter(|key| !is.contains_key(key)));
    let changed = is.iter().filter(|(key, row)| was.get(key) != Some(row));
    into.extend(changed.map(|(key, _)| *key));
}
