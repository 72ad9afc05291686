//! What changed in one contest between two published ticks: keys, and what left a count.
//!
//! Only keys are kept, and whether their rows were there before; rows come from the snapshot that
//! the change is shown with. So changes merge by union, and a merged change shows the latest rows.

use std::collections::BTreeMap;

use super::contest::{ContestView, Ranked};
use super::disclose::Table;
use super::windows::Window;
use crate::accept::Why;
use crate::directory::{Directory, Tree};

/// Keys of rows that came, went or differ, each with whether its row was there before: one that
/// came and went in between is not told as gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys<K>(BTreeMap<K, bool>);

impl<K> Default for Keys<K> {
    fn default() -> Keys<K> {
        Keys(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Keys<K> {
    /// Notes a row that differs, or comes.
    pub(super) fn changed(&mut self, key: K) {
        self.0.entry(key).or_insert(true);
    }

    fn came(&mut self, key: K) {
        self.0.insert(key, false);
    }

    fn merge(&mut self, later: &Keys<K>) {
        for (key, was_there) in &later.0 {
            self.0.entry(*key).or_insert(*was_there);
        }
    }

    /// Whether a row may differ.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// All keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = K> {
        self.0.keys().copied()
    }

    /// The keys of rows that were there before and are not now.
    pub(super) fn gone(&self, is_there: impl Fn(&K) -> bool) -> impl Iterator<Item = K> {
        let was_there = self.0.iter().filter(|(_, was_there)| **was_there);
        was_there
            .map(|(key, _)| *key)
            .filter(move |key| !is_there(key))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContestChange {
    pub(super) candidates: Keys<u32>,
    pub(super) locations: Keys<u32>,
    pub(super) windows: Keys<i64>,
    pub(super) corrections: BTreeMap<(u32, Why), u64>,
}

impl ContestChange {
    /// Adds a later change to this one.
    pub fn merge(&mut self, later: &ContestChange) {
        self.candidates.merge(&later.candidates);
        self.locations.merge(&later.locations);
        self.windows.merge(&later.windows);
        for (key, minus) in &later.corrections {
            *self.corrections.entry(*key).or_default() += minus;
        }
    }

    /// Roughly how many bytes it holds, for a bound.
    pub fn bytes(&self) -> usize {
        let keys = self.candidates.len() + self.locations.len();
        size_of::<ContestChange>()
            + keys * 2 * size_of::<u64>()
            + self.windows.len() * 3 * size_of::<i64>()
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

    /// Notes the locations of which two tables hold different figures, or only one holds any.
    pub(super) fn note_tables(&mut self, was: &Table, is: &Table) {
        let keys = was.keys().chain(is.keys());
        for key in keys.filter(|key| was.get(*key) != is.get(*key)) {
            self.locations.changed(*key);
        }
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
    into: &mut Keys<K>,
) {
    let before: BTreeMap<K, &T> = was.iter().map(|row| (key(row), row)).collect();
    let after: BTreeMap<K, &T> = is.iter().map(|row| (key(row), row)).collect();
    note_by(&before, &after, |a, b| same(a, b), into);
}

fn note_maps<K: Ord + Copy, V: PartialEq>(
    was: &BTreeMap<K, V>,
    is: &BTreeMap<K, V>,
    into: &mut Keys<K>,
) {
    note_by(was, is, V::eq, into);
}

fn note_by<K: Ord + Copy, V>(
    was: &BTreeMap<K, V>,
    is: &BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
    into: &mut Keys<K>,
) {
    for key in was.keys().filter(|key| !is.contains_key(key)) {
        into.changed(*key);
    }
    for (key, row) in is {
        match was.get(key) {
            None => into.came(*key),
            Some(before) if !same(before, row) => into.changed(*key),
            Some(_) => {}
        }
    }
}
