//! Registers, edit by edit: any that the service would take over, one after the other.
//!
//! In come small numbers; out go registers. An edit that the rules of the register forbid is left
//! out, so that the core only ever sees what it may be given.

use dataflow::register::{
    Candidate, Contest, Election, Instant, Location, Register, RegisterChange, Voter,
};
use proptest::prelude::*;

use super::event::{CANDIDATES, CONTESTS, LOCATIONS, VOTERS, grid_ms};

/// One edit: what kind, and three numbers that mean something to that kind.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    kind: u8,
    a: usize,
    b: usize,
    n: usize,
}

const KINDS: u8 = 20;

/// Any edit.
pub fn edits() -> impl Strategy<Value = Edit> {
    (0..KINDS, 0..8usize, 0..8usize, 0..40usize).prop_map(|(kind, a, b, n)| Edit { kind, a, b, n })
}

/// The edit that gives the first contest one of the kinds of revote.
pub fn revote(number: usize) -> Edit {
    Edit {
        kind: 4,
        a: 0,
        b: number,
        n: 0,
    }
}

/// A small register: one election without locations, one with a tree; with long windows, more
/// than the stream shows can be there.
pub fn base(long_windows: bool) -> Register {
    let mut register = Register {
        elections: vec![election("e"), election("f")],
        contests: vec![contest("m", "e"), contest("n", "f")],
        ..Register::default()
    };
    register.contests[0].is_default = true;
    if long_windows {
        register.contests[0].window_ms = 60_000;
        register.contests[0].slide_ms = 1000;
    }
    register.contests[1].window_ms = 6000;
    register.contests[1].slide_ms = 2000;
    for (contest, candidate) in [("m", "a"), ("m", "b"), ("m", "5"), ("n", "a"), ("n", "b")] {
        register.candidates.push(Candidate {
            contest_id: contest.to_string(),
            candidate_id: candidate.to_string(),
            ..Candidate::default()
        });
    }
    for (location, parent) in [
        ("top", None),
        ("x", Some("top")),
        ("y", Some("top")),
        ("z", None),
    ] {
        register.locations.push(Location {
            election_id: "f".to_string(),
            location: location.to_string(),
            parent: parent.map(str::to_string),
            ..Location::default()
        });
    }
    register
}

/// A register after edits; with one in force, only those that may follow it.
pub fn apply(register: &Register, edits: &[Edit], in_force: Option<&Register>) -> Register {
    let allow_drop = RegisterChange {
        allow_drop: true,
        ..RegisterChange::default()
    };
    let mut register = register.clone();
    for edit in edits {
        let mut next = register.clone();
        edit.apply(&mut next);
        let follows =
            in_force.is_none_or(|in_force| next.check_against(in_force, allow_drop).is_empty());
        if follows && next.check().is_empty() {
            register = next;
        }
    }
    register
}

impl Edit {
    fn apply(self, register: &mut Register) {
        match self.kind {
            0..4 => self.edit_candidates(register),
            4..9 => self.edit_contests(register),
            9..13 => self.edit_roll(register),
            13..18 => self.edit_locations(register),
            18 => {
                register.contests.reverse();
                register.candidates.reverse();
                register.locations.reverse();
                register.voters.edit(|rows| rows.reverse());
            }
            _ => {
                let contest_id = pick(CONTESTS, self.a);
                // All that hangs on it goes with it.
                register.contests.retain(|row| row.contest_id != contest_id);
                register
                    .candidates
                    .retain(|row| row.contest_id != contest_id);
            }
        }
    }

    fn edit_candidates(self, register: &mut Register) {
        let (contest_id, candidate_id) = (pick(CONTESTS, self.a), pick(CANDIDATES, self.b));
        let rows = &mut register.candidates;
        let is_it =
            |row: &Candidate| row.contest_id == contest_id && row.candidate_id == candidate_id;
        match (self.kind, rows.iter_mut().find(|row| is_it(row))) {
            (0, Some(row)) => {
                row.candidate_name = Some(format!("name {}", self.n % 3));
                row.party = self
                    .n
                    .is_multiple_of(2)
                    .then(|| format!("party {}", self.n % 4));
                row.color = self.n.is_multiple_of(5).then(|| "#0a5".to_string());
            }
            (1, Some(row)) => {
                row.position = (!self.n.is_multiple_of(4)).then_some(self.n as i64 % 4 - 2)
            }
            (2, Some(row)) => row.withdrawn_at = self.n.is_multiple_of(2).then_some(Instant(0)),
            (3, Some(_)) => rows.retain(|row| !is_it(row)),
            (_, None) => rows.push(Candidate {
                contest_id,
                candidate_id,
                ..Candidate::default()
            }),
            _ => {}
        }
    }

    fn edit_contests(self, register: &mut Register) {
        let contest_id = pick(CONTESTS, self.a);
        let election_id = pick(&["e", "f"], self.b);
        let rows = &mut register.contests;
        let Some(row) = rows.iter_mut().find(|row| row.contest_id == contest_id) else {
            let mut row = contest(&contest_id, &election_id);
            row.slide_ms = [1000, 2000, 5000][self.n % 3];
            row.window_ms = row.slide_ms * [1, 2, 3, 60][self.n % 4];
            rows.push(row);
            return;
        };
        match self.kind {
            4 => row.revote = pick(&["first", "last", "all"], self.b),
            5 => row.opens_at = (!self.b.is_multiple_of(3)).then(|| Instant(grid_ms(self.n))),
            6 => row.closes_at = (!self.b.is_multiple_of(3)).then(|| Instant(grid_ms(self.n))),
            7 => row.is_default = !row.is_default,
            _ => {
                row.name = Some(format!("contest {}", self.n % 3));
                // Only before the first tick; the rules forbid it afterwards.
                row.slide_ms = [1000, 2000, 5000, 7000][self.n % 4];
                row.window_ms = row.slide_ms * [1, 2, 3][self.b % 3];
                row.election_id = election_id;
            }
        }
    }

    fn edit_roll(self, register: &mut Register) {
        let election_id = pick(&["e", "f"], self.a);
        let voter_id = pick(VOTERS, self.b);
        if self.kind == 9 {
            let mut rows = register.elections.iter_mut();
            if let Some(row) = rows.find(|row| row.election_id == election_id) {
                row.roll = !row.roll;
            }
            return;
        }
        let is_it = |row: &Voter| row.election_id == election_id && row.voter_id == voter_id;
        register.voters.edit(|rows| {
            if rows.iter().any(is_it) {
                rows.retain(|row| !is_it(row));
            } else {
                rows.push(Voter {
                    voter_id: voter_id.clone(),
                    election_id: election_id.clone(),
                });
            }
        });
    }

    fn edit_locations(self, register: &mut Register) {
        let election_id = pick(&["f", "f", "f", "e"], self.n);
        let location = pick(LOCATIONS, self.a);
        let parent = Some(pick(LOCATIONS, self.b)).filter(|_| !self.n.is_multiple_of(3));
        let rows = &mut register.locations;
        let is_it = |row: &Location| row.election_id == election_id && row.location == location;
        match (self.kind, rows.iter_mut().find(|row| is_it(row))) {
            (13 | 14, Some(row)) => {
                row.registered = (!self.n.is_multiple_of(4)).then_some(self.n as u64 % 5);
            }
            (15, Some(row)) => row.parent = parent,
            (16, Some(row)) => row.name = Some(format!("place {}", self.n % 3)),
            (_, Some(_)) => rows.retain(|row| !is_it(row)),
            (_, None) => rows.push(Location {
                election_id,
                location,
                parent,
                registered: self.n.is_multiple_of(2).then_some(self.n as u64),
                ..Location::default()
            }),
        }
    }
}

/// One of a few, whatever the number.
pub fn pick(from: &[&str], number: usize) -> String {
    from[number % from.len()].to_string()
}

fn election(id: &str) -> Election {
    Election {
        election_id: id.to_string(),
        ..Election::default()
    }
}

fn contest(id: &str, election: &str) -> Contest {
    Contest {
        contest_id: id.to_string(),
        election_id: election.to_string(),
        name: None,
        is_default: false,
        kind: "plurality".to_string(),
        revote: "first".to_string(),
        window_ms: 10_000,
        slide_ms: 5_000,
        opens_at: None,
        closes_at: None,
    }
}
