//! Every message to its outcome: the states of all casts, and what else was there.
//!
//! In come the log and the register; out goes a list of different casts with their states, and
//! counts of the rest. Knows nothing of windows and rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dataflow::register::{Contest, Register};

use super::Log;
use super::message::{self, Cast, Event};

/// Contest (absent: none named and no default), voter and vote id: what a void names.
pub type Named = (Option<String>, String, String);

/// A cast that was received, copies and all.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it says, the contest after the default.
    pub cast: Cast,
    /// When: its timestamp, or the earliest time in the log of its copies.
    pub at_ms: i64,
    /// Partition and offset of the first copy.
    pub place: (usize, usize),
    /// Whether every copy was late.
    pub late: bool,
    /// What became of it.
    pub state: State,
}

/// The state of a cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It counts.
    Accepted,
    /// Another one of its voter counts.
    Superseded,
    /// A void names it.
    Voided,
    /// The register does not let it count, and why.
    SetAside(&'static str),
}

/// Every message by its outcome.
#[derive(Clone, Debug, Default)]
pub struct Recount {
    /// How many messages there are.
    pub messages: u64,
    /// The different casts.
    pub casts: Vec<Received>,
    /// The different voids.
    pub voids: BTreeSet<Named>,
    /// Second copies of casts and voids.
    pub duplicates: u64,
    /// By reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Counts a log anew.
pub fn recount(register: &Register, lateness_ms: i64, log: &Log) -> Recount {
    let mut recount = receive(register, lateness_ms, log);
    let rules = Rules::of(register);
    for received in &mut recount.casts {
        if recount.voids.contains(&named(&received.cast)) {
            received.state = State::Voided;
        } else if let Some(reason) = rules.set_aside(received) {
            received.state = State::SetAside(reason);
        }
    }
    choose(&rules, &mut recount.casts);
    recount
}

/// Reads every message and folds identical ones into one; all casts start as superseded.
fn receive(register: &Register, lateness_ms: i64, log: &Log) -> Recount {
    let default = default_contest(register);
    let mut recount = Recount::default();
    let mut casts: BTreeMap<Cast, Received> = BTreeMap::new();
    for (partition, messages) in log.iter().enumerate() {
        let mut largest = None;
        for (offset, message) in messages.iter().enumerate() {
            recount.messages += 1;
            match message::read(&message.bytes, message.log_time_ms) {
                Err(reason) => *recount.refused.entry(reason).or_default() += 1,
                Ok(Event::Void {
                    contest,
                    voter,
                    vote,
                }) => {
                    let contest = contest.or_else(|| default.clone());
                    let new = recount.voids.insert((contest, voter, vote));
                    recount.duplicates += u64::from(!new);
                }
                Ok(Event::Cast(mut cast)) => {
                    cast.contest = cast.contest.or_else(|| default.clone());
                    let at_ms = cast.timestamp.or(message::log_time(message.log_time_ms));
                    let at_ms = at_ms.expect("a cast without any time is refused");
                    let late = largest.is_some_and(|before| at_ms < before - lateness_ms);
                    largest = largest.max(Some(at_ms));
                    let place = (partition, offset);
                    let Some(first) = casts.get_mut(&cast) else {
                        let received = Received {
                            cast: cast.clone(),
                            at_ms,
                            place,
                            late,
                            state: State::Superseded,
                        };
                        casts.insert(cast, received);
                        continue;
                    };
                    recount.duplicates += 1;
                    // With a timestamp of its own the time is the same in every copy.
                    first.at_ms = first.at_ms.min(at_ms);
                    first.place = first.place.min(place);
                    first.late &= late;
                }
            }
        }
    }
    recount.casts = casts.into_values().collect();
    recount
}

/// Of each voter's remaining casts in a contest, accepts those that the contest's revote says.
fn choose(rules: &Rules<'_>, casts: &mut [Received]) {
    let mut remaining: BTreeMap<(Option<String>, String), Vec<usize>> = BTreeMap::new();
    for (place, received) in casts.iter().enumerate() {
        if received.state == State::Superseded {
            let voter = (received.cast.contest.clone(), received.cast.voter.clone());
            remaining.entry(voter).or_default().push(place);
        }
    }
    for ((contest, _), mut places) in remaining {
        places.sort_by_key(|place| (casts[*place].at_ms, casts[*place].place));
        let contest = rules.contest(contest.as_deref());
        let counting = match contest.map(|contest| contest.revote.as_str()) {
            Some("all") => places.as_slice(),
            Some("last") => &places[places.len() - 1..],
            _ => &places[..1],
        };
        for place in counting {
            casts[*place].state = State::Accepted;
        }
    }
}

/// What a void of this cast would name.
pub fn named(cast: &Cast) -> Named {
    (cast.contest.clone(), cast.voter.clone(), cast.vote.clone())
}

/// The contest of votes that name none: the one marked, or the only one.
fn default_contest(register: &Register) -> Option<String> {
    let marked = register.contests.iter().find(|contest| contest.is_default);
    let only = register.contests.first();
    let only = only.filter(|_| register.contests.len() == 1);
    marked.or(only).map(|contest| contest.contest_id.clone())
}

/// What the register lets count.
struct Rules<'a> {
    contests: HashMap<&'a str, &'a Contest>,
    candidates: BTreeSet<(&'a str, &'a str)>,
    /// By election: each location, and whether it is a leaf.
    locations: HashMap<&'a str, HashMap<&'a str, bool>>,
    /// By election that has one.
    rolls: HashMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Rules<'a> {
    fn of(register: &'a Register) -> Rules<'a> {
        let mut locations: HashMap<&str, HashMap<&str, bool>> = HashMap::new();
        for row in &register.locations {
            let is_child = |other: &&dataflow::register::Location| {
                other.election_id == row.election_id
                    && other.parent.as_deref() == Some(&*row.location)
            };
            let leaf = !register.locations.iter().any(|other| is_child(&other));
            let election = locations.entry(&row.election_id).or_default();
            election.insert(&row.location, leaf);
        }
        let with_roll = register.elections.iter().filter(|election| election.roll);
        let mut rolls: HashMap<&str, BTreeSet<&str>> = with_roll
            .map(|election| (&*election.election_id, BTreeSet::new()))
            .collect();
        for voter in register.voters.rows() {
            if let Some(roll) = rolls.get_mut(&*voter.election_id) {
                roll.insert(&voter.voter_id);
            }
        }
        let contests = register.contests.iter();
        let candidates = register.candidates.iter();
        Rules {
            contests: contests.map(|row| (&*row.contest_id, row)).collect(),
            candidates: candidates
                .map(|row| (&*row.contest_id, &*row.candidate_id))
                .collect(),
            locations,
            rolls,
        }
    }

    fn contest(&self, contest: Option<&str>) -> Option<&'a Contest> {
        self.contests.get(contest?).copied()
    }

    /// The first reason that holds.
    fn set_aside(&self, received: &Received) -> Option<&'static str> {
        let cast = &received.cast;
        let Some(contest) = self.contest(cast.contest.as_deref()) else {
            return Some("unknown_contest");
        };
        let known = |choice: &String| self.candidates.contains(&(&contest.contest_id, choice));
        if !cast.choices.iter().all(known) {
            return Some("unknown_candidate");
        }
        let fits = match (self.locations.get(&*contest.election_id), &cast.location) {
            (None, named) => named.is_none(),
            (Some(known), Some(named)) => known.get(&**named) == Some(&true),
            (Some(_), None) => false,
        };
        if !fits {
            return Some("unknown_location");
        }
        let roll = self.rolls.get(&*contest.election_id);
        if roll.is_some_and(|roll| !roll.contains(&*cast.voter)) {
            return Some("unknown_voter");
        }
        let too_early = contest.opens_at.is_some_and(|at| received.at_ms < at.0);
        let too_late = contest.closes_at.is_some_and(|at| received.at_ms >= at.0);
        (too_early || too_late).then_some("outside_hours")
    }
}
