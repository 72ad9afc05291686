//! The register in numbers: what *intake*, *accept*, *graph* and *view* look up.
//!
//! A checked register comes in, a directory goes out, made once by the worker that adopts the
//! register and shared by all. Holds no voters: the roll travels apart, by voter.
//!
//! Invariant: a number once given to a text never changes and is never given again, so numbers
//! made under an older directory hold under every later one.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::hash::KeyedHash;
use crate::register::{Contest, Register, Voters};
pub use tree::{Node, Tree};

mod tree;

/// Stands for a blank ballot where a candidate's number would.
pub const BLANK: u32 = u32::MAX;

/// Stands for no location, or no contest that the register knows.
pub const NONE: u32 = u32::MAX;

/// Which of a voter's casts counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revote {
    /// The first.
    First,
    /// The last.
    Last,
    /// Every one.
    All,
}

/// Texts and their numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    texts: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, u32>,
}

impl Names {
    /// The number of a text, if it has one.
    pub fn number(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The text of a number that was given.
    pub fn text(&self, number: u32) -> &Arc<str> {
        &self.texts[number as usize]
    }

    /// The number of a text, given now if it has none.
    pub fn give(&mut self, text: &str) -> u32 {
        if let Some(number) = self.number(text) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).expect("fewer than 2^32 names");
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// How many numbers are given.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// What *accept* needs to know of a contest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContestRule {
    /// Its election's number.
    pub election: u32,
    /// Which of a voter's casts counts.
    pub revote: Revote,
    /// Distance of the cells' starts in milliseconds.
    pub slide_ms: i64,
    /// Length of a window in milliseconds.
    pub window_ms: i64,
    /// Casts before it are set aside.
    pub opens_ms: Option<i64>,
    /// Casts at or after it are set aside.
    pub closes_ms: Option<i64>,
    /// Whether votes must name a location.
    pub has_locations: bool,
    /// Whether only voters on the roll count.
    pub roll: bool,
}

/// Where a contest's cells are. A contest keeps it for as long as it is in the register, and
/// while it is not there its cells are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The election, whose locations the ballots name.
    pub election: u32,
    /// The length of a cell in milliseconds.
    pub slide_ms: i64,
}

/// The register in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Directory {
    /// The register without its voters.
    #[serde(with = "as_json")]
    pub register: Arc<Register>,
    /// The version of the whole register.
    pub version: Arc<str>,
    /// Ids of elections.
    pub elections: Names,
    /// Ids of contests.
    pub contests: Names,
    /// Ids of candidates, one space for all contests.
    pub candidates: Names,
    /// Codes of locations, one space for all elections.
    pub locations: Names,
    /// The contest of votes that name none.
    pub default_contest: Option<u32>,
    /// Registered voters of elections with a roll.
    pub roll_sizes: FxHashMap<u32, u64>,
    /// The candidates of each contest by position, then id: their number and their row in the
    /// register.
    pub line_ups: FxHashMap<u32, Vec<(u32, usize)>>,
    /// By election.
    pub trees: FxHashMap<u32, Arc<Tree>>,
    rules: Vec<Option<ContestRule>>,
    places: Vec<Place>,
    contest_hashes: Vec<u128>,
    contests_by_hash: FxHashMap<u128, u32>,
    standing: FxHashSet<(u32, u32)>,
    leaves: FxHashSet<(u32, u32)>,
}

impl Directory {
    /// The directory that follows this one under a register that has been checked.
    pub fn adopt(&self, register: &Register, hash: &KeyedHash) -> Directory {
        let mut next = Directory {
            register: Arc::new(Register {
                voters: Voters::default(),
                ..register.clone()
            }),
            version: register.version().into(),
            rules: Vec::new(),
            standing: FxHashSet::default(),
            leaves: FxHashSet::default(),
            trees: FxHashMap::default(),
            line_ups: FxHashMap::default(),
            roll_sizes: FxHashMap::default(),
            ..self.clone()
        };
        next.number_names(register, hash);
        next.plant_trees(register);
        next.set_rules(register);
        next
    }

    fn number_names(&mut self, register: &Register, hash: &KeyedHash) {
        for election in &register.elections {
            self.elections.give(&election.election_id);
        }
        for contest in &register.contests {
            self.contests.give(&contest.contest_id);
        }
        for number in self.contest_hashes.len()..self.contests.len() {
            let text = self.contests.text(number as u32);
            let hash = hash.contest(text);
            self.contest_hashes.push(hash);
            self.contests_by_hash.insert(hash, number as u32);
        }
        for (row, candidate) in register.candidates.iter().enumerate() {
            let number = self.candidates.give(&candidate.candidate_id);
            if let Some(contest) = self.contests.number(&candidate.contest_id) {
                self.standing.insert((contest, number));
                self.line_ups
                    .entry(contest)
                    .or_default()
                    .push((number, row));
            }
        }
        for line_up in self.line_ups.values_mut() {
            line_up.sort_by_key(|(_, row)| {
                let candidate = &register.candidates[*row];
                let position = candidate.position;
                (position.is_none(), position, &*candidate.candidate_id)
            });
        }
        for location in &register.locations {
            self.locations.give(&location.location);
        }
        self.default_contest = register
            .default_contest()
            .and_then(|id| self.contests.number(id));
    }

    fn plant_trees(&mut self, register: &Register) {
        for (election, tree) in Tree::all(register, &self.elections, &self.locations) {
            let leaves = tree.nodes().filter(|(_, node)| node.leaf);
            self.leaves
                .extend(leaves.map(|(location, _)| (election, location)));
            self.trees.insert(election, Arc::new(tree));
        }
    }

    fn set_rules(&mut self, register: &Register) {
        let voters = register.voters.by_election();
        let rolls = register.elections.iter().filter(|election| election.roll);
        let rolls: FxHashMap<&str, u64> = rolls
            .map(|election| {
                let size = voters.get(&*election.election_id);
                (&*election.election_id, size.copied().unwrap_or(0))
            })
            .collect();
        self.rules = vec![None; self.contests.len()];
        self.places.resize(self.contests.len(), Place::default());
        for contest in &register.contests {
            let number = self.contests.number(&contest.contest_id);
            let election = self.elections.number(&contest.election_id);
            if let (Some(number), Some(election)) = (number, election) {
                let rule = ContestRule {
                    has_locations: self.trees.contains_key(&election),
                    roll: rolls.contains_key(&*contest.election_id),
                    ..rule(contest, election)
                };
                self.rules[number as usize] = Some(rule);
                self.places[number as usize] = Place {
                    election,
                    slide_ms: rule.slide_ms,
                };
            }
        }
        for (election, size) in rolls {
            let number = self.elections.number(election);
            self.roll_sizes.extend(number.map(|number| (number, size)));
        }
    }

    /// The rule of a contest that is in the register.
    pub fn rule(&self, contest: u32) -> Option<&ContestRule> {
        self.rules.get(contest as usize)?.as_ref()
    }

    /// The contests that are in the register, with their rules.
    pub fn rules(&self) -> impl Iterator<Item = (u32, &ContestRule)> {
        let rules = (0..).zip(&self.rules);
        rules.filter_map(|(number, rule)| Some((number, rule.as_ref()?)))
    }

    /// Where a contest that is in the register, or was, has its cells.
    pub fn place(&self, contest: u32) -> Place {
        self.places[contest as usize]
    }

    /// The same of a number that may be newer than this directory.
    pub fn place_of(&self, contest: u32) -> Option<Place> {
        self.places.get(contest as usize).copied()
    }

    /// The hash of a contest that has a number.
    pub fn contest_hash(&self, contest: u32) -> u128 {
        self.contest_hashes[contest as usize]
    }

    /// The number of the contest that has a hash.
    pub fn contest_of_hash(&self, hash: u128) -> Option<u32> {
        self.contests_by_hash.get(&hash).copied()
    }

    /// Whether a candidate stands in a contest.
    pub fn stands(&self, contest: u32, candidate: u32) -> bool {
        self.standing.contains(&(contest, candidate))
    }

    /// Whether a location is a leaf of an election.
    pub fn is_leaf(&self, election: u32, location: u32) -> bool {
        self.leaves.contains(&(election, location))
    }

    /// How the casts under `before` must be looked at again under this directory.
    pub fn review_after(&self, before: &Directory) -> Review {
        let kept = |(number, rule): (u32, &ContestRule)| self.rule(number) == Some(rule);
        if !before.rules().all(kept)
            || !before.standing.is_subset(&self.standing)
            || !before.leaves.is_subset(&self.leaves)
        {
            return Review::All;
        }
        let same = self.rules().count() == before.rules().count()
            && self.standing.len() == before.standing.len()
            && self.leaves.len() == before.leaves.len();
        if same {
            Review::Nothing
        } else {
            Review::SetAside
        }
    }
}

/// Which casts a change of the register may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// None: names, parties, registered counts.
    Nothing,
    /// Those of voters with a cast that is set aside: something was added.
    SetAside,
    /// All.
    All,
}

/// A register between processes: its instants are read by their form, which only a format that
/// describes itself can tell.
mod as_json {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::register::Register;

    pub(super) fn serialize<S: Serializer>(
        register: &Arc<Register>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let json = serde_json::to_string(register).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Register>, D::Error> {
        let json = String::deserialize(deserializer)?;
        serde_json::from_str(&json).map_err(serde::de::Error::custom)
    }
}

fn rule(contest: &Contest, election: u32) -> ContestRule {
    ContestRule {
        election,
        revote: match contest.revote.as_str() {
            "last" => Revote::Last,
            "all" => Revote::All,
            _ => Revote::First,
        },
        slide_ms: contest.slide_ms,
        window_ms: contest.window_ms,
        opens_ms: contest.opens_at.map(|instant| instant.0),
        closes_ms: contest.closes_at.map(|instant| instant.0),
        has_locations: false,
        roll: false,
    }
}
