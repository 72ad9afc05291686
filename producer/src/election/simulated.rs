//! A made-up election: any number of voters, candidates and locations, as sums.
//!
//! Comes in as three numbers and a seed; goes on as sums that add up to the voters. Every voter
//! votes. The same numbers give the same election on every machine.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use super::sums::{CandidateEntry, LocationEntry, Sum, Sums};

/// The size of a made-up election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// Voters; each casts one ballot that counts.
    pub voters: u64,
    /// Candidates, at least one.
    pub candidates: u32,
    /// Locations side by side; zero for an election without any.
    pub locations: u32,
    /// Decides who gets how much where.
    pub seed: u64,
}

impl Simulation {
    pub(super) fn sums(self) -> Sums {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let places = self.locations.max(1) as usize;
        // Between a half and one and a half of the average, as wards of a town are.
        let sizes: Vec<u64> = (0..places)
            .map(|_| 500 + random.next_u64() % 1001)
            .collect();
        let mut locations = Vec::new();
        let mut sums = Vec::new();
        for (place, votes) in (1_u32..).zip(apportion(self.voters, &sizes)) {
            let location = (self.locations > 0).then(|| place.to_string());
            if let Some(code) = &location {
                locations.push(LocationEntry {
                    location: code.clone(),
                    name: Some(format!("Location {code}")),
                    parent: None,
                    registered: Some(votes),
                });
            }
            let tastes = self.tastes(&mut random);
            sums.extend(
                (1..)
                    .zip(apportion(votes, &tastes))
                    .map(|(number, votes): (u32, _)| Sum {
                        location: location.clone(),
                        candidate: Some(number.to_string()),
                        votes,
                    }),
            );
        }
        Sums {
            election_id: "simulated".to_string(),
            name: Some("Simulated election".to_string()),
            test: true,
            contest_id: Some("simulated".to_string()),
            candidates: (1..=self.candidates).map(candidate).collect(),
            locations,
            sums,
            ..Sums::default()
        }
    }

    /// The weight of each candidate in a location: fewer for the later ones, as elections go
    /// (Zipf), but different from place to place.
    fn tastes(self, random: &mut Xoshiro256PlusPlus) -> Vec<u64> {
        let weights = (1..=u64::from(self.candidates)).map(|rank| {
            let around_one_ppm = 600_000 + random.next_u64() % 800_001;
            (around_one_ppm * 1000 / (rank + 1)).max(1)
        });
        weights.collect()
    }
}

fn candidate(number: u32) -> CandidateEntry {
    CandidateEntry {
        candidate_id: number.to_string(),
        candidate_name: Some(format!("Candidate {number}")),
        ..CandidateEntry::default()
    }
}

/// Splits a whole by weights into whole parts that add up to it.
fn apportion(whole: u64, weights: &[u64]) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut weight_before = 0_u128;
    let mut before = 0;
    let parts = weights.iter().map(|weight| {
        weight_before += u128::from(*weight);
        let upto = (u128::from(whole) * weight_before / total) as u64;
        let part = upto - before;
        before = upto;
        part
    });
    parts.collect()
}
