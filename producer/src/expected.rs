//! What must come out of a replay: known from its construction, not from counting its messages.
//!
//! Comes in as the official sums and what the plan does around them; goes out in the fields of a
//! server's answers, so that both can be compared as they are.

use std::collections::{BTreeMap, HashMap};

use dataflow::answer::{CandidateRow, Counts, LocationRow, Totals, VotesByCandidate};
use dataflow::register::{Candidate, Location};
use serde::Serialize;

use crate::election::Election;
use crate::replay::{PlanTotals, malformed};
use crate::target::Delivery;

/// The totals at the end of a replay into a server that had no votes before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// The election.
    pub election_id: String,
    /// Its contest.
    pub contest_id: String,
    /// Every message by its outcome, as `/api/v1/status` has it.
    #[serde(flatten)]
    pub totals: Totals,
    /// Pairs of voter and vote id that different casts share.
    pub conflicts: u64,
    /// Accepted ballots without a choice.
    pub blank: u64,
    /// Registered voters, where the register says.
    pub registered: Option<u64>,
    /// Accepted over registered.
    pub turnout: Option<f64>,
    /// The candidate with the most votes, if one alone has them.
    pub leader: Option<String>,
    /// First less second; the first's votes if alone.
    pub margin: Option<u64>,
    /// Casts sent much later than their timestamp; a server's windows may find more late, since
    /// lateness is by partition.
    pub sent_late: u64,
    /// Messages that were sent again since it was not known whether the server had stored them:
    /// `messages` and `duplicates` may both be higher by up to this many.
    pub sent_again: u64,
    /// By rank, then position, then id.
    pub candidates: Vec<CandidateRow>,
    /// All locations, by code.
    pub locations: Vec<LocationRow>,
}

impl Expected {
    pub(crate) fn new(election: &Election, plan: &PlanTotals) -> Expected {
        let (votes, blank) = votes_by_candidate(election);
        let candidates = ranked(&election.register.candidates, &votes);
        let locations = location_rows(election);
        let roots = || locations.iter().filter(|row| row.parent.is_none());
        let registered: Option<u64> = roots().map(|row| row.registered).sum();
        let registered = registered.filter(|_| !locations.is_empty());
        Expected {
            election_id: election.election_id().to_string(),
            contest_id: election.contest().contest_id.clone(),
            totals: totals(plan),
            conflicts: 0,
            blank,
            registered,
            turnout: turnout(plan.ballots, registered),
            leader: leader(
                candidates
                    .iter()
                    .map(|row| (row.candidate_id.as_str(), row.votes)),
            ),
            margin: margin(&candidates),
            sent_late: plan.late,
            sent_again: 0,
            candidates,
            locations,
        }
    }

    /// The same, after what its delivery has met: a server that turns malformed messages away at
    /// the door never counts them, and what was sent again may be there twice.
    pub fn after(mut self, delivery: &Delivery) -> Expected {
        if delivery.turned_away > 0 {
            let refused: u64 = self.totals.refused.values().sum();
            self.totals.messages -= refused;
            self.totals.refused.clear();
        }
        self.sent_again = delivery.sent_again;
        self
    }
}

fn totals(plan: &PlanTotals) -> Totals {
    let counts = Counts {
        received: plan.ballots + plan.revotes + plan.recasts + plan.strays,
        accepted: plan.ballots,
        superseded: plan.revotes,
        voided: plan.recasts + plan.strays,
        set_aside: 0,
    };
    Totals {
        messages: counts.received + counts.voided + plan.duplicates + plan.malformed,
        received: counts.received,
        counts,
        set_aside_by: BTreeMap::new(),
        voids: counts.voided,
        duplicates: plan.duplicates,
        refused: malformed::reasons(plan.malformed),
    }
}

/// The votes of every candidate, by its place, and the blank ballots.
fn votes_by_candidate(election: &Election) -> (Vec<u64>, u64) {
    let mut votes = vec![0; election.register.candidates.len()];
    let mut blank = 0;
    for (choice, sum) in election.units.iter().flat_map(|unit| &unit.sums) {
        match choice {
            Some(place) => votes[*place as usize] += sum,
            None => blank += sum,
        }
    }
    (votes, blank)
}

fn ranked(candidates: &[Candidate], votes: &[u64]) -> Vec<CandidateRow> {
    let cast: u64 = votes.iter().sum();
    let row = |(candidate, votes_of): (&Candidate, &u64)| CandidateRow {
        candidate_id: candidate.candidate_id.clone(),
        candidate_name: name_or(&candidate.candidate_name, &candidate.candidate_id),
        short_name: candidate.short_name.clone(),
        party: candidate.party.clone(),
        color: candidate.color.clone(),
        photo_url: candidate.photo_url.clone(),
        votes: *votes_of,
        share: (cast > 0).then(|| *votes_of as f64 / cast as f64),
        rank: 1 + votes.iter().filter(|other| *other > votes_of).count() as u64,
        withdrawn: false,
    };
    let mut rows: Vec<CandidateRow> = candidates.iter().zip(votes).map(row).collect();
    // Stable: candidates of one rank stay in the order of their positions.
    rows.sort_by_key(|row| row.rank);
    rows
}

/// First less second of the ranked rows.
fn margin(rows: &[CandidateRow]) -> Option<u64> {
    let second = rows.get(1).map_or(0, |row| row.votes);
    rows.first().map(|first| first.votes - second)
}

/// The one with the most votes, if it alone has them.
fn leader<'a>(votes: impl Iterator<Item = (&'a str, u64)> + Clone) -> Option<String> {
    let most = votes
        .clone()
        .map(|(_, votes)| votes)
        .max()
        .filter(|most| *most > 0)?;
    let mut leaders = votes.filter(|(_, votes)| *votes == most);
    match (leaders.next(), leaders.next()) {
        (Some((id, _)), None) => Some(id.to_string()),
        _ => None,
    }
}

fn turnout(accepted: u64, registered: Option<u64>) -> Option<f64> {
    let registered = registered.filter(|registered| *registered > 0)?;
    Some(accepted as f64 / registered as f64)
}

fn name_or(name: &Option<String>, id: &str) -> String {
    name.clone().unwrap_or_else(|| id.to_string())
}

/// A location's own sums and those of all below it.
#[derive(Clone, Default)]
struct Below {
    accepted: u64,
    blank: u64,
    votes: VotesByCandidate,
}

fn location_rows(election: &Election) -> Vec<LocationRow> {
    let locations = &election.register.locations;
    let places: HashMap<&str, &Location> = locations
        .iter()
        .map(|row| (row.location.as_str(), row))
        .collect();
    let mut below: HashMap<&str, Below> = HashMap::new();
    for unit in &election.units {
        let mut at = unit.location.as_deref();
        while let Some(code) = at {
            let sums = below.entry(code).or_default();
            for (choice, votes) in &unit.sums {
                sums.accepted += votes;
                match choice {
                    Some(place) => {
                        let candidate = &election.register.candidates[*place as usize];
                        let id = candidate.candidate_id.clone();
                        *sums.votes.entry(id).or_insert(0) += votes;
                    }
                    None => sums.blank += votes,
                }
            }
            at = places.get(code).and_then(|row| row.parent.as_deref());
        }
    }
    let children = children(locations);
    let row = |location: &Location| {
        let code = location.location.as_str();
        let sums = below.remove(code).unwrap_or_default();
        let registered = registered(location, &children);
        LocationRow {
            location: code.to_string(),
            name: name_or(&location.name, code),
            parent: location.parent.clone(),
            leaf: !children.contains_key(code),
            registered,
            suppressed: false,
            accepted: sums.accepted,
            blank: sums.blank,
            turnout: turnout(sums.accepted, registered),
            leader: leader(sums.votes.iter().map(|(id, votes)| (id.as_str(), *votes))),
            votes: sums.votes,
        }
    };
    let mut rows: Vec<LocationRow> = locations.iter().map(row).collect();
    rows.sort_by(|a, b| a.location.cmp(&b.location));
    rows
}

type Children<'a> = HashMap<&'a str, Vec<&'a Location>>;

fn children(locations: &[Location]) -> Children<'_> {
    let mut children = Children::new();
    for location in locations {
        if let Some(parent) = &location.parent {
            children.entry(parent).or_default().push(location);
        }
    }
    children
}

/// Its own count, else the sum of its children's; none if one of them has none.
fn registered(location: &Location, children: &Children<'_>) -> Option<u64> {
    let below = || children.get(location.location.as_str());
    location.registered.or_else(|| {
        let counts = below()?.iter().map(|child| registered(child, children));
        counts.sum()
    })
}
