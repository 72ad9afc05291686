//! What is written: every key in the tables, with a hash of its row. Plans each round; no IO.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::view::{ContestChange, Snapshot};

use super::rows::{self, Key, Row, Table};
use crate::publish::{Since, merge};

/// What brings the tables from the last round to a tick.
#[derive(Clone, Debug)]
pub struct Round {
    /// Whether rows that are not among these are to go, whoever wrote them.
    pub is_whole: bool,
    /// Rows that came or differ.
    pub rows: Vec<Row>,
    /// Rows that went.
    pub gone: Vec<(Table, Key)>,
    tick: u64,
    register_version: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    written: BTreeMap<Table, BTreeMap<Key, u128>>,
    /// Tick and register of the last settled round.
    settled: Option<(u64, String)>,
}

impl Ledger {
    /// What to write so that the tables agree with a snapshot. `since` says what changed in a
    /// contest after a tick.
    pub fn plan(
        &self,
        snapshot: &Snapshot,
        since: impl Fn(&str, u64) -> Since<ContestChange>,
    ) -> Round {
        let register_version = snapshot.register_version().to_string();
        let mut round = Round {
            is_whole: self.settled.is_none(),
            rows: Vec::new(),
            gone: Vec::new(),
            tick: snapshot.tick(),
            register_version,
        };
        let contests = snapshot.contest_ids();
        match &self.settled {
            // Candidates and locations come and go with the register only.
            Some((from, version)) if *version == round.register_version => {
                for contest in &contests {
                    let rows = match since(contest, *from) {
                        Since::Nothing => continue,
                        Since::Changes(changes) => {
                            rows::changed(snapshot, contest, &merge(&changes))
                        }
                        Since::TooOld | Since::UnknownTick => rows::all(snapshot, contest),
                    };
                    // The contest is one of the snapshot's own.
                    let rows = rows.unwrap_or_default();
                    let is_one = |key: &Key| key.0 == *contest;
                    round.gone.extend(self.gone(Table::Windows, &rows, is_one));
                    round.rows.extend(rows);
                }
            }
            _ => {
                let rows = contests.iter().map(|contest| rows::all(snapshot, contest));
                round.rows = rows.flat_map(Result::unwrap_or_default).collect();
                for table in Table::ALL {
                    let gone = self.gone(table, &round.rows, |_| true);
                    round.gone.extend(gone);
                }
            }
        }
        round.rows.retain(|row| self.hash(row) != Some(row.hash));
        round
    }

    /// Notes that all of a round is written.
    pub fn settle(&mut self, round: Round) {
        for (table, key) in round.gone {
            self.written.entry(table).or_default().remove(&key);
        }
        for row in round.rows {
            let rows = self.written.entry(row.table).or_default();
            rows.insert(row.key, row.hash);
        }
        self.settled = Some((round.tick, round.register_version));
    }

    fn hash(&self, row: &Row) -> Option<u128> {
        self.written.get(&row.table)?.get(&row.key).copied()
    }

    /// The written keys of a table that are not among rows.
    fn gone(
        &self,
        table: Table,
        rows: &[Row],
        is_meant: impl Fn(&Key) -> bool,
    ) -> Vec<(Table, Key)> {
        let rows = rows.iter().filter(|row| row.table == table);
        let standing: BTreeSet<&Key> = rows.map(|row| &row.key).collect();
        let written = self.written.get(&table).into_iter().flatten();
        written
            .map(|(key, _)| key)
            .filter(|key| is_meant(key) && !standing.contains(key))
            .map(|key| (table, key.clone()))
            .collect()
    }
}
