//! The locations of one contest as the public sees them: which rows are shown, and as of when.
//!
//! In comes each tick's true table; out go the rows that may be shown. A row is made anew only
//! once `min` ballots or more have changed in it, and only where that gives away no smaller
//! change of its siblings: the contest's total is live, and of a row that is made anew the
//! public knows by subtraction what its siblings hold together at that moment.
//!
//! A *moment* is a tick in which rows of one parent are made anew; the *others* are the rows of
//! that parent that are not.
//!
//! Invariant: at each moment one of these holds, and it holds of those, too, that were the others
//! at the moment before:
//!
//! - there are no others;
//! - the others have together changed by `min` ballots or more since the moment before;
//! - the others have not changed since then, each was made anew then (else the sum of some that
//!   were the others then would be known now), and all that did change came in this one tick (else
//!   each step of the live total would be known to be that of the rows made anew).
//!
//! So for any two moments what the public can subtract is 0 or at least `min` ballots: a sum that
//! it knows at both covers the others of the later moment, or of one that follows, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;

use super::suppress::{self, Children};
use super::{Rest, Rests};
use crate::view::votes::Votes;

/// Ballots by location.
pub(in crate::view) type Table = OrdMap<u32, Arc<Votes>>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    rows: BTreeMap<u32, Row>,
    groups: BTreeMap<Option<u32>, Group>,
    /// The table of the tick before.
    before: Table,
}

/// A row that was shown at some time: the public remembers it though it may be hidden now.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) votes: Arc<Votes>,
    pub(super) is_shown: bool,
}

/// The rows of one parent at their last moment.
#[derive(Clone, Debug)]
struct Group {
    /// As it was then, or at a restart after it.
    table: Table,
    renewed: BTreeSet<u32>,
    /// Whether what changed between the moment and the table is unknown.
    is_restored: bool,
}

impl Places {
    /// Goes on from what the public has seen before a restart. What has changed since the last
    /// moment is not known any more, so it is counted from now on.
    pub(super) fn restore(
        rows: BTreeMap<u32, Row>,
        newest: &BTreeSet<u32>,
        children: &Children,
        table: &Table,
    ) -> Places {
        let groups = children.iter().map(|(parent, rows)| {
            let renewed = rows.iter().filter(|row| newest.contains(row));
            let group = Group {
                table: table.clone(),
                renewed: renewed.copied().collect(),
                is_restored: true,
            };
            (*parent, group)
        });
        Places {
            groups: groups.collect(),
            rows,
            before: table.clone(),
        }
    }

    /// The rows that were shown at some time.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows.iter().map(|(location, row)| (*location, row))
    }

    /// The rows that were made anew at their parent's last moment.
    pub(super) fn newest(&self) -> BTreeSet<u32> {
        let renewed = self.groups.values().flat_map(|group| &group.renewed);
        renewed.copied().collect()
    }

    /// Takes a tick's table; says whether the public sees other rows than before.
    pub(super) fn update(&mut self, children: &Children, table: &Table, min: u64) -> bool {
        let hidden = suppress::hidden(children, |row| votes(table, row).accepted(), min);
        let mut differs = false;
        // A row's children are known to add up to it at its own moments only.
        let mut parents = vec![None];
        while let Some(parent) = parents.pop() {
            let Some(rows) = children.get(&parent) else {
                continue;
            };
            let renewed = self.update_group(parent, rows, table, &hidden, min, &mut differs);
            parents.extend(renewed.into_iter().map(Some));
        }
        self.before = table.clone();
        differs
    }

    /// Makes the rows of a parent anew that may be; gives those.
    fn update_group(
        &mut self,
        parent: Option<u32>,
        rows: &[u32],
        table: &Table,
        hidden: &BTreeSet<u32>,
        min: u64,
        differs: &mut bool,
    ) -> BTreeSet<u32> {
        let open = |row: &&u32| !hidden.contains(row);
        let renewed = match self.groups.get(&parent) {
            None => rows.iter().filter(open).copied().collect(),
            Some(group) => {
                let may = rows.iter().filter(open);
                let may = may.filter(|row| self.may_be_renewed(**row, table, min));
                let may: Vec<u32> = may.copied().collect();
                let is_one_tick = !group.is_restored && group.since(rows.iter(), &self.before) == 0;
                let renewed = group.choose(rows, may, table, min, is_one_tick);
                let all = || group.since(rows.iter(), table);
                // That a row is hidden from now on tells that something came, too.
                if renewed.is_empty() && all() < min {
                    return renewed;
                }
                renewed
            }
        };
        for row in rows {
            *differs |= self.show(*row, &renewed, hidden, table);
        }
        if !renewed.is_empty() || !self.groups.contains_key(&parent) {
            let group = Group {
                table: table.clone(),
                renewed: renewed.clone(),
                is_restored: false,
            };
            self.groups.insert(parent, group);
        }
        renewed
    }

    fn may_be_renewed(&self, row: u32, table: &Table, min: u64) -> bool {
        let Some(known) = self.rows.get(&row) else {
            return true;
        };
        let changed = votes(table, row).changed_from(&known.votes);
        changed >= min || (changed == 0 && !known.is_shown)
    }

    /// Shows, hides or keeps a row; says whether the public sees a difference.
    fn show(
        &mut self,
        row: u32,
        renewed: &BTreeSet<u32>,
        hidden: &BTreeSet<u32>,
        table: &Table,
    ) -> bool {
        if renewed.contains(&row) {
            let row_now = Row {
                votes: Arc::new(votes(table, row).clone()),
                is_shown: true,
            };
            self.rows.insert(row, row_now);
            return true;
        }
        match self.rows.get_mut(&row) {
            Some(known) if known.is_shown && hidden.contains(&row) => {
                known.is_shown = false;
                true
            }
            _ => false,
        }
    }

    /// The rows that the public sees, and what the others of each parent hold together beside
    /// what changed in the shown ones since they were made. `total` is the contest's, live.
    pub(super) fn shown(&self, children: &Children, total: &Votes, min: u64) -> (Table, Rests) {
        let (mut table, mut rests) = (Table::new(), Rests::new());
        let mut parents: Vec<(Option<u32>, &Votes)> = vec![(None, total)];
        while let Some((parent, whole)) = parents.pop() {
            let Some(rows) = children.get(&parent) else {
                continue;
            };
            let mut rest = whole.clone();
            let mut hides = false;
            for row in rows {
                match self.rows.get(row).filter(|row| row.is_shown) {
                    Some(shown) => {
                        rest.add_all(&shown.votes, -1);
                        table.insert(*row, Arc::clone(&shown.votes));
                        parents.push((Some(*row), &shown.votes));
                    }
                    None => hides = true,
                }
            }
            if hides || !rest.is_empty() {
                rests.insert(parent, Rest::of(rest, min));
            }
        }
        (table, rests)
    }
}

impl Group {
    /// Of the rows that may be made anew those with which the others have changed enough.
    fn choose(
        &self,
        rows: &[u32],
        may: Vec<u32>,
        table: &Table,
        min: u64,
        is_one_tick: bool,
    ) -> BTreeSet<u32> {
        let before = rows.iter().filter(|row| !self.renewed.contains(row));
        let before: Vec<&u32> = before.collect();
        if !before.is_empty() && self.since(before.into_iter(), table) < min {
            return BTreeSet::new();
        }
        let mut renewed: BTreeSet<u32> = may.iter().copied().collect();
        let others = rows.iter().filter(|row| !renewed.contains(row));
        let mut has_others = renewed.len() < rows.len();
        let mut since = self.since(others, table);
        let others = rows.iter().filter(|row| !renewed.contains(row));
        let mut others_of_both = others.filter(|row| !self.renewed.contains(row));
        if since == 0 && is_one_tick && others_of_both.next().is_none() {
            return renewed;
        }
        let mut by_change: Vec<(u64, u32)> = may
            .into_iter()
            .map(|row| (self.since([row].iter(), table), row))
            .collect();
        by_change.sort_unstable();
        for (changed, row) in by_change {
            if !has_others || since >= min {
                break;
            }
            renewed.remove(&row);
            since += changed;
            has_others = true;
        }
        if has_others && since < min {
            renewed.clear();
        }
        renewed
    }

    /// How many ballots have changed in some rows since the last moment.
    fn since<'a>(&self, rows: impl Iterator<Item = &'a u32>, table: &Table) -> u64 {
        rows.map(|row| votes(table, *row).changed_from(votes(&self.table, *row)))
            .sum()
    }
}

fn votes(table: &Table, row: u32) -> &Votes {
    static NONE: Votes = Votes::NONE;
    table.get(&row).map_or(&NONE, |votes| votes)
}
