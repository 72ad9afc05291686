//! An election of the tests, and votes in it: the same for the same seed.

use serde_json::{Value, json};

/// The candidates of the contest `mayor`.
pub const CANDIDATES: [&str; 4] = ["ada", "bo", "cyd", "dee"];

/// Leaf locations, under two regions.
pub const LEAVES: usize = 24;

/// The start of the evening, 2013-11-03T20:00:00Z.
pub const EVENING_MS: i64 = 1_383_508_800_000;

/// The register: one election with locations, a default contest and one where the last counts.
pub fn register() -> Value {
    let candidates = CANDIDATES.iter().zip(1..).flat_map(|(id, position)| {
        ["mayor", "council"].map(|contest| {
            json!({"contest_id": contest, "candidate_id": id, "position": position,
                   "candidate_name": format!("Candidate <{id}>")})
        })
    });
    let regions = ["north", "south"].map(|code| json!({"election_id": "town", "location": code}));
    let leaves = (0..LEAVES).map(|leaf| {
        let parent = if leaf % 2 == 0 { "north" } else { "south" };
        json!({"election_id": "town", "location": format!("{leaf}"), "parent": parent,
               "registered": 1000})
    });
    json!({
        "elections": [{"election_id": "town", "name": "Town", "date": "2013-11-03"}],
        "contests": [
            {"contest_id": "mayor", "election_id": "town", "is_default": true},
            {"contest_id": "council", "election_id": "town", "revote": "last"},
        ],
        "candidates": candidates.collect::<Vec<_>>(),
        "locations": regions.into_iter().chain(leaves).collect::<Vec<_>>(),
        "voters": [],
    })
}

/// A valid vote of a voter.
pub fn vote(voter: &str) -> String {
    json!({"vote_id": "1", "voter_id": voter, "candidate_id": "ada", "location": "0",
           "timestamp": EVENING_MS})
    .to_string()
}

/// Votes of a town, without end: casts, revotes, voids, copies, late ones, some set aside.
pub struct Town {
    random: u64,
    sent: Vec<String>,
    number: u64,
}

impl Town {
    /// The votes of a seed.
    pub fn new(seed: u64) -> Town {
        Town {
            random: seed,
            sent: Vec::new(),
            number: 0,
        }
    }

    /// The next events, a line each.
    pub fn lines(&mut self, count: usize) -> String {
        let mut lines: String = (0..count).map(|_| self.line() + "\n").collect();
        lines.pop();
        lines
    }

    /// A number below a bound; a linear congruence with Knuth's constants is random enough.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn line(&mut self) -> String {
        self.number += 1;
        let voter = format!("voter-{}", self.below(self.number));
        let (vote, contest) = (
            self.below(3).to_string(),
            ["mayor", "council"][self.below(2) as usize],
        );
        let line = match self.below(20) {
            0 => json!({"type": "void", "voter_id": voter, "vote_id": vote, "contest_id": contest})
                .to_string(),
            1 if !self.sent.is_empty() => {
                let copied = self.below(self.sent.len() as u64);
                self.sent[copied as usize].clone()
            }
            kind => self.cast(&voter, &vote, contest, kind),
        };
        if self.sent.len() < 1000 {
            self.sent.push(line.clone());
        }
        line
    }

    fn cast(&mut self, voter: &str, vote: &str, contest: &str, kind: u64) -> String {
        // Event time passes with the votes; one kind comes from long before.
        let late_ms = if kind == 2 { 120_000 } else { 0 };
        let at = EVENING_MS + (self.number as i64) * 20 - late_ms + self.below(2000) as i64;
        let location = if kind == 3 {
            "nowhere".to_string()
        } else {
            self.below(LEAVES as u64).to_string()
        };
        let mut cast = json!({"voter_id": voter, "vote_id": vote, "contest_id": contest,
                              "timestamp": at, "location": location});
        cast["choices"] = match kind {
            4 => json!([]),
            5 => json!([CANDIDATES[0], CANDIDATES[3]]),
            _ => json!([CANDIDATES[self.below(4) as usize]]),
        };
        cast.to_string()
    }
}
