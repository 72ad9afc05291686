//! Rounds against rows that apply them: whatever ticks are skipped, the rows agree in the end.

use std::collections::BTreeMap;

use dataflow::register::Register;

use super::ledger::{Ledger, Round};
use super::rows::{self, Key, Table};
use crate::publish::Publisher;
use crate::sink::scene::{register, ticks, vote};

/// The tables as their readers see them.
type Rows = BTreeMap<(Table, Key), String>;

/// Applies a round; says how many rows it touched.
fn apply(rows: &mut Rows, round: &Round) -> usize {
    for key in &round.gone {
        assert!(rows.remove(key).is_some(), "{key:?} was removed already");
    }
    let written = round.rows.iter();
    rows.extend(written.map(|row| ((row.table, row.key.clone()), row.json.clone())));
    round.gone.len() + round.rows.len()
}

/// Publishes all ticks, and writes some of them.
fn play(
    steps: Vec<(Option<Register>, Vec<Vec<u8>>)>,
    is_written: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let publisher = Publisher::default();
    publisher.set_ready();
    let (mut ledger, mut tables, mut touched) = (Ledger::default(), Rows::new(), Vec::new());
    for (number, publication) in ticks(steps).into_iter().enumerate() {
        publisher.publish(publication);
        if !is_written(number) {
            continue;
        }
        let tick = publisher.current().expect("a tick is published");
        let since = |contest: &str, from| publisher.since(contest, from, tick.number());
        let round = ledger.plan(tick.snapshot(), since);
        touched.push(apply(&mut tables, &round));
        ledger.settle(round);
        let contests = tick.snapshot().contest_ids();
        let all = contests
            .iter()
            .flat_map(|contest| rows::all(tick.snapshot(), contest).expect("the contest is there"));
        let expected: Rows = all.map(|row| ((row.table, row.key), row.json)).collect();
        assert_eq!(tables, expected);
    }
    touched
}

/// Votes, then nothing, then a register with a candidate less and a name more, then votes.
fn evening() -> Vec<(Option<Register>, Vec<Vec<u8>>)> {
    let mut later = register();
    later.candidates.retain(|row| row.candidate_id != "50%");
    later.candidates[1].candidate_name = Some("Ben\0 \"Bell\"".to_string());
    vec![
        (Some(register()), vec![vote("v1", "ana", "n1")]),
        (None, vec![vote("v2", "ben", "n2"), vote("v3", "ben", "n2")]),
        (None, Vec::new()),
        (Some(later), Vec::new()),
        (None, vec![vote("v4", "ana", "n1")]),
    ]
}

#[test]
fn each_round_has_what_differs() {
    // Ten rows of candidates and locations; windows of the votes' one time: two.
    let touched = play(evening(), |_| true);
    assert_eq!(touched, [12, 6, 0, 2, 6]);
}

#[test]
fn skipped_ticks_are_merged() {
    for skipped in 0..32_usize {
        play(evening(), |number| skipped >> number & 1 == 0);
    }
}
