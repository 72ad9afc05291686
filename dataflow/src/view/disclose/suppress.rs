//! Which rows of a table must not be shown: the small ones, and enough others that no difference
//! gives a small one away.
//!
//! In come rows as a tree with their ballots; out go the rows to hide. A row with 1 to `min` − 1
//! ballots is hidden, then its smallest shown siblings until at least two are hidden and hold
//! `min` together, else their parent, too; and all that lies below a hidden row. (Primary and
//! complementary suppression, as statistical offices have it.)

use std::collections::{BTreeMap, BTreeSet};

/// The rows below each parent, in the order of their ids; the roots below `None`.
pub(super) type Children = BTreeMap<Option<u32>, Vec<u32>>;

/// The rows that must be hidden.
pub(super) fn hidden(children: &Children, ballots: impl Fn(u32) -> u64, min: u64) -> BTreeSet<u32> {
    let mut hidden = BTreeSet::new();
    // From the leaves up: a parent that has to hide counts among its own siblings.
    for parent in parents_below_first(children) {
        let rows = &children[&parent];
        for row in rows {
            if (1..min).contains(&ballots(*row)) {
                hidden.insert(*row);
            }
        }
        let fits = hide_siblings(rows, &ballots, min, &mut hidden);
        if let (false, Some(parent)) = (fits, parent) {
            hidden.insert(parent);
        }
    }
    // Downwards: with what is below a hidden row its sum would be known.
    let mut below: Vec<u32> = hidden.iter().copied().collect();
    while let Some(row) = below.pop() {
        for child in children.get(&Some(row)).into_iter().flatten() {
            hidden.insert(*child);
            below.push(*child);
        }
    }
    hidden
}

/// Hides siblings of hidden rows until two are hidden that hold enough; says whether they do.
fn hide_siblings(
    rows: &[u32],
    ballots: &impl Fn(u32) -> u64,
    min: u64,
    hidden: &mut BTreeSet<u32>,
) -> bool {
    let mut count = rows.iter().filter(|row| hidden.contains(row)).count();
    if count == 0 {
        return true;
    }
    let of_hidden = rows.iter().filter(|row| hidden.contains(row));
    let mut sum: u64 = of_hidden.map(|row| ballots(*row)).sum();
    let mut shown: Vec<u32> = rows.to_vec();
    shown.retain(|row| !hidden.contains(row));
    // Stable: equal ones stay in the order of their ids.
    shown.sort_by_key(|row| ballots(*row));
    let mut shown = shown.into_iter();
    while count < 2 || sum < min {
        let Some(next) = shown.next() else {
            return false;
        };
        hidden.insert(next);
        count += 1;
        sum += ballots(next);
    }
    true
}

/// All parents, each after those below it.
fn parents_below_first(children: &Children) -> Vec<Option<u32>> {
    let mut order = vec![None];
    let mut at = 0;
    while at < order.len() {
        let rows = children.get(&order[at]).into_iter().flatten();
        let inner = rows.filter(|row| children.contains_key(&Some(**row)));
        let inner: Vec<Option<u32>> = inner.map(|row| Some(*row)).collect();
        order.extend(inner);
        at += 1;
    }
    order.retain(|parent| children.contains_key(parent));
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is hidden of rows of `(row, parent, ballots)` at five; inner rows sum up.
    fn check(rows: &[(u32, Option<u32>, u64)], expected: &[u32]) {
        let mut children = Children::new();
        for (row, parent, _) in rows {
            children.entry(*parent).or_default().push(*row);
        }
        let ballots = |of: u32| rows.iter().find(|row| row.0 == of).map_or(0, |row| row.2);
        let found: Vec<u32> = hidden(&children, ballots, 5).into_iter().collect();
        assert_eq!(found, expected, "{rows:?}");
    }

    #[test]
    fn a_small_row_takes_its_smallest_siblings_with_it() {
        check(
            &[(1, None, 12), (2, None, 9), (3, None, 7), (4, None, 0)],
            &[],
        );
        check(&[(1, None, 12), (2, None, 9), (3, None, 3)], &[2, 3]);
        check(
            &[(1, None, 12), (2, None, 9), (3, None, 3), (4, None, 4)],
            &[3, 4],
        );
        // Two that do not hold five together take a third, an empty one first.
        check(
            &[(1, None, 12), (2, None, 9), (3, None, 1), (4, None, 2)],
            &[2, 3, 4],
        );
        check(
            &[(1, None, 12), (2, None, 9), (3, None, 3), (4, None, 0)],
            &[2, 3, 4],
        );
        // Of equal ones the first by id.
        check(&[(1, None, 9), (2, None, 9), (3, None, 3)], &[1, 3]);
    }

    #[test]
    fn what_cannot_hide_among_its_siblings_hides_with_its_parent() {
        // 10 and 20 are parents; the only child of 20 is small, so 20 is, and 10 must hide too.
        let rows = [
            (10, None, 30),
            (20, None, 4),
            (30, None, 50),
            (11, Some(10), 14),
            (12, Some(10), 16),
            (21, Some(20), 4),
        ];
        check(&rows, &[10, 11, 12, 20, 21]);
        // 3 ballots beside an empty place: nothing that they could hide in, so their parent hides.
        let rows = [
            (10, None, 3),
            (20, None, 40),
            (30, None, 50),
            (11, Some(10), 3),
            (12, Some(10), 0),
        ];
        check(&rows, &[10, 11, 12, 20]);
    }

    #[test]
    fn the_roots_may_all_be_hidden() {
        check(&[(1, None, 3)], &[1]);
        check(&[(1, None, 30), (2, None, 1)], &[1, 2]);
    }
}
