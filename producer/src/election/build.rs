//! From sums as written to an election: its register, its units, its evening.
//!
//! Comes in unchecked; goes out whole, or as the list of everything that is wrong with it. Never
//! leaves out a sum that does not fit.

use std::collections::{BTreeSet, HashMap, HashSet};

use dataflow::register::{self, Contest, Register, Voters};

use super::{Choice, Election, ElectionError, Evening, Sums, Unit};

/// One location's ballots are shuffled in 32 bits.
const UNIT_BALLOTS_MAX: u64 = u32::MAX as u64;

/// An evening for an election that names no day; any day in the past does.
const DAY_DEFAULT: &str = "2024-01-01";

const CONTEST_DEFAULT: &str = "main";
const HOURS_DEFAULT: u32 = 4;
const WINDOW_MS_DEFAULT: i64 = 15 * 60_000;
const SLIDE_MS_DEFAULT: i64 = 5 * 60_000;

pub(super) fn election(sums: Sums) -> Result<Election, ElectionError> {
    let mut problems = Vec::new();
    let register = register(&sums);
    problems.extend(
        register
            .check()
            .into_iter()
            .map(|problem| problem.to_string()),
    );
    let units = units(&sums, &register, &mut problems);
    let evening = evening(&sums);
    if evening.is_none() {
        problems.push(format!(
            "starts_at is an RFC 3339 text such as 2013-11-03T20:00:00-05:00, date a day such as \
             2013-11-03, hours {} to {}",
            Evening::HOURS_MIN,
            Evening::HOURS_MAX
        ));
    }
    match evening {
        Some(evening) if problems.is_empty() => Ok(Election {
            register,
            units,
            evening,
        }),
        _ => Err(ElectionError::Invalid {
            what: format!("'{}'", sums.election_id),
            problems,
        }),
    }
}

fn register(sums: &Sums) -> Register {
    let election_id = &sums.election_id;
    let contest_id = sums.contest_id.as_deref().unwrap_or(CONTEST_DEFAULT);
    let election = register::Election {
        election_id: election_id.clone(),
        name: sums.name.clone(),
        date: sums.date.clone(),
        test: sums.test,
        roll: false,
        geojson_url: sums.geojson_url.clone(),
        time_zone: sums.time_zone.clone(),
        ..register::Election::default()
    };
    let contest = Contest {
        contest_id: contest_id.to_string(),
        election_id: election_id.clone(),
        name: sums.contest_name.clone(),
        is_default: true,
        kind: "plurality".to_string(),
        revote: sums.revote.clone().unwrap_or_else(|| "last".to_string()),
        window_ms: sums.window_ms.unwrap_or(WINDOW_MS_DEFAULT),
        slide_ms: sums.slide_ms.unwrap_or(SLIDE_MS_DEFAULT),
        opens_at: None,
        closes_at: None,
    };
    Register {
        elections: vec![election],
        contests: vec![contest],
        candidates: candidates(sums, contest_id),
        locations: locations(sums),
        voters: Voters::default(),
    }
}

fn candidates(sums: &Sums, contest_id: &str) -> Vec<register::Candidate> {
    let row = |(place, candidate_id): (usize, &str)| register::Candidate {
        contest_id: contest_id.to_string(),
        candidate_id: candidate_id.to_string(),
        position: Some(place as i64 + 1),
        ..register::Candidate::default()
    };
    if sums.candidates.is_empty() {
        let named = sums.sums.iter().filter_map(|sum| sum.candidate.as_deref());
        return in_order_of_appearance(named).enumerate().map(row).collect();
    }
    let entries = sums.candidates.iter().enumerate();
    let with_details = entries.map(|(place, entry)| register::Candidate {
        candidate_name: entry.candidate_name.clone(),
        party: entry.party.clone(),
        color: entry.color.clone(),
        photo_url: entry.photo_url.clone(),
        ..row((place, &entry.candidate_id))
    });
    with_details.collect()
}

fn locations(sums: &Sums) -> Vec<register::Location> {
    let row = |location: &str| register::Location {
        election_id: sums.election_id.clone(),
        location: location.to_string(),
        ..register::Location::default()
    };
    if sums.locations.is_empty() {
        let named = sums.sums.iter().filter_map(|sum| sum.location.as_deref());
        return in_order_of_appearance(named).map(row).collect();
    }
    let entries = sums.locations.iter();
    let with_details = entries.map(|entry| register::Location {
        name: entry.name.clone(),
        parent: entry.parent.clone(),
        registered: entry.registered,
        ..row(&entry.location)
    });
    with_details.collect()
}

fn in_order_of_appearance<'a>(ids: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut seen = HashSet::new();
    ids.filter(move |id| seen.insert(*id))
}

/// The sums by leaf location, in the order of their first appearance.
fn units(sums: &Sums, register: &Register, problems: &mut Vec<String>) -> Vec<Unit> {
    let candidates: HashMap<&str, u32> = (0..)
        .zip(&register.candidates)
        .map(|(place, row)| (row.candidate_id.as_str(), place))
        .collect();
    let leaves = leaves(register);
    let mut units: Vec<Unit> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    let mut seen: HashSet<(Option<&str>, Choice)> = HashSet::new();
    for sum in &sums.sums {
        let location = sum.location.as_deref();
        let choice = match sum.candidate.as_deref() {
            None => None,
            Some(id) => match candidates.get(id) {
                Some(place) => Some(*place),
                None => {
                    problems.push(format!("there is no candidate '{id}', but it has votes"));
                    continue;
                }
            },
        };
        match location {
            Some(code) if !leaves.contains(code) => problems.push(format!(
                "location '{code}' has votes, but is not there or has locations below it"
            )),
            None if !leaves.is_empty() => problems.push(format!(
                "{} votes have no location, but the election has locations",
                sum.votes
            )),
            _ => {}
        }
        if !seen.insert((location, choice)) {
            let (whom, at) = (sum.candidate.as_deref(), location);
            problems.push(format!(
                "the votes of {} in {} are there twice",
                whom.map_or("blank".to_string(), |id| format!("'{id}'")),
                at.map_or("all".to_string(), |code| format!("'{code}'"))
            ));
        }
        let place = *places.entry(location).or_insert_with(|| {
            units.push(Unit {
                location: sum.location.clone(),
                sums: Vec::new(),
            });
            units.len() - 1
        });
        if sum.votes > 0 {
            units[place].sums.push((choice, sum.votes));
        }
    }
    check_sizes(&units, problems);
    units.retain(|unit| !unit.sums.is_empty());
    units
}

fn check_sizes(units: &[Unit], problems: &mut Vec<String>) {
    let sizes = units.iter().map(|unit| {
        let votes = unit.sums.iter().map(|(_, votes)| *votes);
        votes.fold(0, u64::saturating_add)
    });
    if sizes.clone().all(|size| size == 0) {
        problems.push("it has no votes".to_string());
    }
    for (unit, size) in units.iter().zip(sizes) {
        if size > UNIT_BALLOTS_MAX {
            problems.push(format!(
                "location '{}' has {size} votes, at most {UNIT_BALLOTS_MAX} can be shuffled",
                unit.location.as_deref().unwrap_or_default()
            ));
        }
    }
}

fn leaves(register: &Register) -> BTreeSet<&str> {
    let rows = &register.locations;
    let parents: HashSet<&str> = rows
        .iter()
        .filter_map(|row| row.parent.as_deref())
        .collect();
    let codes = rows.iter().map(|row| row.location.as_str());
    codes.filter(|code| !parents.contains(code)).collect()
}

fn evening(sums: &Sums) -> Option<Evening> {
    let hours = sums.hours.unwrap_or(HOURS_DEFAULT);
    let starts_at = sums.starts_at.clone().unwrap_or_else(|| {
        let day = sums.date.as_deref().unwrap_or(DAY_DEFAULT);
        format!("{day}T20:00:00Z")
    });
    Evening::starting(&starts_at, hours)
}
