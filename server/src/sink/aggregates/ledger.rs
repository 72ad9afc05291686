//! What is written: every key in the topics, with a hash of its value. Plans each round; no IO.
//!
//! Comes in: the rows of a snapshot, and what changed since the last round. Goes out: the messages
//! that bring the topics to the snapshot. Memory is by key, never by change: a sink that was away
//! for hours plans one round with the latest of each row.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::view::{ContestChange, Snapshot};

use super::rows::{self, Row, Topic};
use crate::publish::{Since, merge};

/// A message to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Topic,
    /// Its key.
    pub key: Box<[u8]>,
    /// Its value; none removes the row.
    pub value: Option<Vec<u8>>,
    hash: Option<u128>,
}

/// The messages that bring the topics from the last round to a tick.
#[derive(Clone, Debug)]
pub struct Round {
    /// The tick.
    pub tick: u64,
    /// One for each row, in any order.
    pub messages: Vec<Message>,
    register_version: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By topic and key: the hash of the value that is there, if it is known.
    written: BTreeMap<Topic, BTreeMap<Box<[u8]>, Option<u128>>>,
    /// Tick and register of the last settled round.
    settled: Option<(u64, String)>,
}

impl Ledger {
    /// Notes what a topic holds: the key has a value, or its value is removed.
    pub fn note(&mut self, topic: Topic, key: &[u8], has_value: bool) {
        let keys = self.written.entry(topic).or_default();
        if has_value {
            keys.insert(key.into(), None);
        } else {
            keys.remove(key);
        }
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.written.values().map(BTreeMap::len).sum()
    }

    /// The tick of the last settled round.
    #[cfg(test)]
    pub fn tick(&self) -> Option<u64> {
        self.settled.as_ref().map(|(tick, _)| *tick)
    }

    /// What to write so that the topics agree with a snapshot. `since` says what changed in a
    /// contest after a tick.
    pub fn plan(
        &self,
        snapshot: &Snapshot,
        since: impl Fn(&str, u64) -> Since<ContestChange>,
    ) -> Round {
        let register_version = snapshot.register_version().to_string();
        let messages = match &self.settled {
            // Rows come and go with the register only.
            Some((from, version)) if *version == register_version => {
                let contests = snapshot.contest_ids().into_iter();
                let rows = contests.flat_map(|contest| match since(&contest, *from) {
                    Since::Nothing => Vec::new(),
                    Since::Changes(changes) => {
                        let change = merge(&changes);
                        rows::changed(snapshot, &contest, &change).unwrap_or_default()
                    }
                    Since::TooOld | Since::UnknownTick => rows_of(snapshot, &contest),
                });
                self.differing(rows)
            }
            _ => self.everything(snapshot),
        };
        Round {
            tick: snapshot.tick(),
            messages,
            register_version,
        }
    }

    /// Notes that all of a round is written.
    pub fn settle(&mut self, round: Round) {
        for message in round.messages {
            let keys = self.written.entry(message.topic).or_default();
            match message.hash {
                Some(hash) => keys.insert(message.key, Some(hash)),
                None => keys.remove(&message.key),
            };
        }
        self.settled = Some((round.tick, round.register_version));
    }

    /// All rows that are not written as they are, and removals of keys that are no rows.
    fn everything(&self, snapshot: &Snapshot) -> Vec<Message> {
        let contests = snapshot.contest_ids();
        let rows: Vec<Row> = contests
            .iter()
            .flat_map(|contest| rows_of(snapshot, contest))
            .collect();
        let standing: BTreeSet<(Topic, &[u8])> =
            rows.iter().map(|row| (row.topic, &*row.key)).collect();
        let written = self.written.iter();
        let keys = written.flat_map(|(topic, keys)| keys.keys().map(|key| (*topic, key)));
        let gone = keys.filter(|(topic, key)| !standing.contains(&(*topic, &***key)));
        let gone = gone.map(|(topic, key)| Message {
            topic,
            key: key.clone(),
            value: None,
            hash: None,
        });
        let mut messages: Vec<Message> = gone.collect();
        messages.extend(self.differing(rows.into_iter()));
        messages
    }

    fn differing(&self, rows: impl Iterator<Item = Row>) -> Vec<Message> {
        let differs = |row: &Row| {
            let keys = self.written.get(&row.topic);
            keys.and_then(|keys| keys.get(&row.key)) != Some(&Some(row.hash))
        };
        rows.filter(differs)
            .map(|row| Message {
                topic: row.topic,
                key: row.key,
                value: Some(row.value),
                hash: Some(row.hash),
            })
            .collect()
    }
}

/// All rows of a contest that the snapshot itself has named.
fn rows_of(snapshot: &Snapshot, contest: &str) -> Vec<Row> {
    rows::all(snapshot, contest).unwrap_or_default()
}

#[cfg(test)]
mod tests;
