//! Voters, one after the other, become a roll: a keyed hash for each, and no text.
//!
//! Comes in: the ids of a row. Goes out: the hashes of each election, in order, and what the
//! version of a register needs of them. What names a voter is forgotten with the row.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::problem::{List, Problems, RowName};
use super::{Election, Voters};
use crate::hash::KeyedHash;

/// The voters of one election.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// The hash of each, ascending.
    pub(super) hashes: Vec<u128>,
    /// A hash of the sum of an unkeyed hash of each: the same for any key and any order, so that
    /// the version of a register is, too. Not the sum itself: of two rolls that differ by one voter
    /// the difference would be that voter's.
    pub(super) digest: u128,
}

impl Roll {
    /// The hashes, ascending.
    pub fn hashes(&self) -> &[u128] {
        &self.hashes
    }
}

/// Takes voters.
pub struct RollReader {
    hash: KeyedHash,
    numbers: HashMap<String, u32>,
    /// The election of the row before: a list nearly always comes by election.
    last: Option<(String, u32)>,
    /// Of each election, the sum of an unkeyed hash of each voter.
    sums: Vec<u128>,
    hashes: Vec<u128>,
    /// The election of each hash.
    elections: Vec<u32>,
}

/// The first 128 bits of a hash.
fn short(hash: &blake3::Hash) -> u128 {
    let bytes = hash.as_bytes().first_chunk().expect("it has 32 bytes");
    u128::from_le_bytes(*bytes)
}

impl RollReader {
    /// None yet; hashes are made under this key.
    pub fn new(hash: KeyedHash) -> RollReader {
        RollReader {
            hash,
            numbers: HashMap::new(),
            last: None,
            sums: Vec::new(),
            hashes: Vec::new(),
            elections: Vec::new(),
        }
    }

    /// Takes the next row.
    pub fn push(&mut self, election_id: &str, voter_id: &str) {
        let election = match &self.last {
            Some((id, number)) if id == election_id => *number,
            _ => self.number(election_id),
        };
        let sum = &mut self.sums[election as usize];
        *sum = sum.wrapping_add(short(&blake3::hash(voter_id.as_bytes())));
        self.hashes.push(self.hash.voter(voter_id));
        self.elections.push(election);
    }

    fn number(&mut self, election_id: &str) -> u32 {
        let next = self.sums.len() as u32;
        let number = *self.numbers.entry(election_id.to_string()).or_insert(next);
        if number == next {
            self.sums.push(0);
        }
        self.last = Some((election_id.to_string(), number));
        number
    }

    /// The voters of the elections that have a roll; what is wrong with any row is added.
    pub fn finish(self, elections: &[Election], problems: &mut Problems) -> Voters {
        self.check_elections(elections, problems);
        let mut rolls: Vec<Roll> = self
            .sums
            .iter()
            .map(|sum| Roll {
                hashes: Vec::new(),
                digest: short(&blake3::hash(&sum.to_le_bytes())),
            })
            .collect();
        let mut counts = vec![0; rolls.len()];
        for election in &self.elections {
            counts[*election as usize] += 1;
        }
        for (roll, count) in rolls.iter_mut().zip(counts) {
            roll.hashes.reserve_exact(count);
        }
        for (hash, election) in self.hashes.iter().zip(&self.elections) {
            rolls[*election as usize].hashes.push(*hash);
        }
        for roll in &mut rolls {
            roll.hashes.sort_unstable();
        }
        self.check_twice(&mut rolls, problems);
        let has_roll: HashSet<&str> = elections
            .iter()
            .filter(|election| election.roll)
            .map(|election| election.election_id.as_str())
            .collect();
        let named: BTreeMap<String, Roll> = self
            .numbers
            .into_iter()
            .filter(|(id, _)| has_roll.contains(id.as_str()))
            .map(|(id, number)| (id, std::mem::take(&mut rolls[number as usize])))
            .collect();
        Voters::from(named)
    }

    fn check_elections(&self, elections: &[Election], problems: &mut Problems) {
        let known: HashSet<&str> = elections.iter().map(|it| it.election_id.as_str()).collect();
        let unknown = self.numbers.iter();
        let unknown: HashSet<u32> = unknown
            .filter(|(id, _)| !known.contains(id.as_str()))
            .map(|(_, number)| *number)
            .collect();
        if unknown.is_empty() {
            return;
        }
        for (at, election) in self.elections.iter().enumerate() {
            if unknown.contains(election) {
                let text = ", election_id: there is no such election";
                problems.row(("no election", "voters"), row(at), text);
            }
        }
    }

    /// Names the rows that are there again, and keeps each voter once.
    fn check_twice(&self, rolls: &mut [Roll], problems: &mut Problems) {
        let mut twice: HashMap<(u32, u128), Option<usize>> = HashMap::new();
        for (election, roll) in (0..).zip(rolls) {
            let again = roll.hashes.windows(2).filter(|pair| pair[0] == pair[1]);
            twice.extend(again.map(|pair| ((election, pair[0]), None)));
            roll.hashes.dedup();
        }
        if twice.is_empty() {
            return;
        }
        for (at, (hash, election)) in self.hashes.iter().zip(&self.elections).enumerate() {
            match twice.get_mut(&(*election, *hash)) {
                Some(Some(first)) => {
                    let text = format!(": the voter is there twice, first in voters[{first}]");
                    problems.row(("twice", "voters"), row(at), text);
                }
                Some(first) => *first = Some(at),
                None => {}
            }
        }
    }
}

fn row(at: usize) -> RowName<'static> {
    RowName {
        list: List::Voters,
        at,
        key: None,
    }
}
