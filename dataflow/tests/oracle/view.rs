//! The counts as the answers show them: rows with names, ranks, shares, windows.
//!
//! In comes a recount; out go the bodies of the answers, their common head left to the caller.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::register::{Candidate, Contest, Location, Register};
use serde_json::{Value as Json, json};

use super::Settings;
use super::instant::write;
use super::recount::{Received, Recount, State, named};

const WINDOWS_MAX: usize = 1000;

/// One contest in a recount.
pub struct ContestView<'a> {
    register: &'a Register,
    contest: &'a Contest,
    recount: &'a Recount,
    /// The start of the latest cell with a ballot, less the lateness.
    watermark: Option<i64>,
    /// The start of the oldest served cell, once there are older ones.
    served_from: Option<i64>,
}

/// Ballots that are counted together.
#[derive(Clone, Debug, Default)]
struct Tally {
    accepted: u64,
    blank: u64,
    late: u64,
    votes: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, ballot: &Received) {
        self.accepted += 1;
        self.late += u64::from(ballot.late);
        match ballot.cast.choices.first() {
            Some(first) => *self.votes.entry(first.clone()).or_default() += 1,
            None => self.blank += 1,
        }
    }

    fn of<'a>(ballots: impl IntoIterator<Item = &'a Received>) -> Tally {
        let mut tally = Tally::default();
        ballots.into_iter().for_each(|ballot| tally.add(ballot));
        tally
    }

    /// The one with the most votes, if one alone has them.
    fn leader(&self) -> Option<&String> {
        let most = self.votes.values().max()?;
        let mut first = self.votes.iter().filter(|(_, votes)| *votes == most);
        let (leader, _) = first.next()?;
        first.next().is_none().then_some(leader)
    }

    fn sums(&self) -> Json {
        json!({ "accepted": self.accepted, "blank": self.blank, "votes": self.votes })
    }
}

impl<'a> ContestView<'a> {
    pub fn of(
        register: &'a Register,
        contest: &'a Contest,
        settings: Settings,
        recount: &'a Recount,
    ) -> ContestView<'a> {
        let mut view = ContestView {
            register,
            contest,
            recount,
            watermark: None,
            served_from: None,
        };
        let latest = view.ballots().map(|ballot| view.cell(ballot)).max();
        view.watermark = latest.map(|start| start - settings.lateness_ms);
        view.served_from = view.oldest_served(settings.horizon_ms);
        view
    }

    /// The answers by the name of their route.
    pub fn answers(&self) -> BTreeMap<&'static str, Json> {
        BTreeMap::from([
            ("results", self.results()),
            ("locations", self.locations()),
            ("windows", self.windows()),
            ("series", self.series()),
        ])
    }

    fn casts(&self) -> impl Iterator<Item = &Received> {
        let id = Some(&self.contest.contest_id);
        let casts = self.recount.casts.iter();
        casts.filter(move |received| received.cast.contest.as_ref() == id)
    }

    fn ballots(&self) -> impl Iterator<Item = &Received> {
        self.casts()
            .filter(|received| received.state == State::Accepted)
    }

    fn results(&self) -> Json {
        let tally = Tally::of(self.ballots());
        let rows = self.candidates(&tally);
        let votes = |place: usize| rows.get(place).map(|row| row["votes"].as_u64());
        let margin = match (votes(0).flatten(), votes(1).flatten()) {
            (Some(first), Some(second)) => Some(first - second),
            (first, _) => first,
        };
        let registered = self.registered();
        json!({
            "counts": counts(self.casts()),
            "set_aside_by": set_aside_by(self.casts()),
            "conflicts": self.conflicts(),
            "blank": tally.blank,
            "registered": registered,
            "turnout": share(tally.accepted, registered),
            "leader": tally.leader(),
            "margin": margin,
            "candidates": rows,
        })
    }

    fn conflicts(&self) -> usize {
        let mut different: BTreeMap<_, usize> = BTreeMap::new();
        for received in self.casts().filter(|it| it.cast.vote != it.cast.voter) {
            *different.entry(named(&received.cast)).or_default() += 1;
        }
        different.values().filter(|casts| **casts > 1).count()
    }

    /// By rank, then position (those without one last), then id.
    fn candidates(&self, tally: &Tally) -> Vec<Json> {
        let votes = |row: &Candidate| tally.votes.get(&row.candidate_id).copied().unwrap_or(0);
        let id = &self.contest.contest_id;
        let all = self.register.candidates.iter();
        let mut rows: Vec<&Candidate> = all.filter(|row| row.contest_id == *id).collect();
        rows.sort_by_key(|row| {
            let position = row.position.unwrap_or(i64::MAX);
            let unplaced = row.position.is_none();
            (
                std::cmp::Reverse(votes(row)),
                unplaced,
                position,
                row.candidate_id.clone(),
            )
        });
        let for_candidates: u64 = tally.votes.values().sum();
        let as_json = |row: &&Candidate| {
            let before = rows.iter().filter(|other| votes(other) > votes(row));
            json!({
                "candidate_id": row.candidate_id,
                "candidate_name": row.candidate_name.as_ref().unwrap_or(&row.candidate_id),
                "party": row.party,
                "color": row.color,
                "photo_url": row.photo_url,
                "votes": votes(row),
                "share": share(votes(row), Some(for_candidates)),
                "rank": 1 + before.count(),
                "withdrawn": row.withdrawn_at.is_some(),
            })
        };
        rows.iter().map(as_json).collect()
    }

    fn all_locations(&self) -> impl Iterator<Item = &Location> {
        let election = &self.contest.election_id;
        let all = self.register.locations.iter();
        all.filter(move |row| row.election_id == *election)
    }

    fn children(&self, parent: Option<&str>) -> impl Iterator<Item = &Location> {
        self.all_locations()
            .filter(move |row| row.parent.as_deref() == parent)
    }

    /// The sum over the roots; the size of the roll where that says nothing.
    fn registered(&self) -> Option<u64> {
        let roots: Vec<Option<u64>> = self
            .children(None)
            .map(|root| self.registered_at(root))
            .collect();
        let sum: Option<u64> = roots.iter().copied().sum();
        sum.filter(|_| !roots.is_empty()).or_else(|| {
            let id = &self.contest.election_id;
            let mut elections = self.register.elections.iter();
            elections.find(|row| row.election_id == *id && row.roll)?;
            let voters = self.register.voters.rows().iter();
            let roll: BTreeSet<&String> = voters
                .filter(|voter| voter.election_id == *id)
                .map(|voter| &voter.voter_id)
                .collect();
            Some(roll.len() as u64)
        })
    }

    fn registered_at(&self, row: &Location) -> Option<u64> {
        let mut children = self.children(Some(&row.location)).peekable();
        match (row.registered, children.peek()) {
            (Some(own), _) => Some(own),
            (None, None) => None,
            (None, Some(_)) => children.map(|child| self.registered_at(child)).sum(),
        }
    }

    /// The codes of a location and of all below it.
    fn below(&self, row: &Location) -> BTreeSet<String> {
        let mut codes = BTreeSet::from([row.location.clone()]);
        for child in self.children(Some(&row.location)) {
            codes.append(&mut self.below(child));
        }
        codes
    }

    fn locations(&self) -> Json {
        let mut rows: Vec<&Location> = self.all_locations().collect();
        rows.sort_by(|a, b| a.location.cmp(&b.location));
        let as_json = |row: &&Location| {
            let below = self.below(row);
            let here = |ballot: &&Received| {
                let location = ballot.cast.location.as_ref();
                location.is_some_and(|location| below.contains(location))
            };
            let tally = Tally::of(self.ballots().filter(here));
            let registered = self.registered_at(row);
            json!({
                "location": row.location,
                "name": row.name.as_ref().unwrap_or(&row.location),
                "parent": row.parent,
                "leaf": below.len() == 1,
                "registered": registered,
                "accepted": tally.accepted,
                "blank": tally.blank,
                "turnout": share(tally.accepted, registered),
                "leader": tally.leader(),
                "votes": tally.votes,
            })
        };
        json!({ "locations": rows.iter().map(as_json).collect::<Vec<_>>() })
    }

    fn cell(&self, ballot: &Received) -> i64 {
        ballot.at_ms.div_euclid(self.contest.slide_ms) * self.contest.slide_ms
    }

    /// The start of the oldest served cell, once there are older ones: as many of the newest cells
    /// with ballots are served as the horizon has room for.
    fn oldest_served(&self, horizon_ms: i64) -> Option<i64> {
        let cells: BTreeSet<i64> = self.ballots().map(|ballot| self.cell(ballot)).collect();
        let room = (horizon_ms / self.contest.slide_ms) as usize;
        let oldest = cells.iter().rev().take(room).next_back();
        (cells.len() > room).then(|| oldest.copied().unwrap_or(i64::MAX))
    }

    /// Whether the cell that starts there is served only as part of `earlier`.
    fn is_earlier(&self, start: i64) -> bool {
        self.served_from.is_some_and(|oldest| start < oldest)
    }

    fn earlier(&self) -> Json {
        let gone = |ballot: &&Received| self.is_earlier(self.cell(ballot));
        Tally::of(self.ballots().filter(gone)).sums()
    }

    fn windows(&self) -> Json {
        let (window_ms, slide_ms) = (self.contest.window_ms, self.contest.slide_ms);
        let mut windows: BTreeMap<i64, Tally> = BTreeMap::new();
        for ballot in self.ballots() {
            for slides in 0..window_ms / slide_ms {
                let start = self.cell(ballot) - slides * slide_ms;
                windows.entry(start).or_default().add(ballot);
            }
        }
        let rows = windows.iter().rev();
        let rows = rows.filter(|(start, _)| !self.is_earlier(**start));
        let as_json = |(start, tally): (&i64, &Tally)| {
            let end = start + window_ms;
            json!({
                "start": write(*start),
                "end": write(end),
                "final": self.watermark.is_some_and(|watermark| end <= watermark),
                "accepted": tally.accepted,
                "blank": tally.blank,
                "late": tally.late,
                "votes": tally.votes,
            })
        };
        json!({
            "watermark": self.watermark.map(write),
            "window_ms": window_ms,
            "slide_ms": slide_ms,
            "earlier": self.earlier(),
            "windows": rows.map(as_json).take(WINDOWS_MAX).collect::<Vec<_>>(),
        })
    }

    fn series(&self) -> Json {
        let mut steps: BTreeMap<i64, Tally> = BTreeMap::new();
        for ballot in self.ballots() {
            let start = self.cell(ballot);
            if !self.is_earlier(start) {
                steps.entry(start).or_default().add(ballot);
            }
        }
        let points = steps.iter().map(|(at, tally)| {
            let mut point = tally.sums();
            point["at"] = json!(write(*at));
            point
        });
        json!({
            "step_ms": self.contest.slide_ms,
            "earlier": self.earlier(),
            "points": points.collect::<Vec<_>>(),
        })
    }
}

/// Every message by its outcome, over all contests.
pub fn totals(recount: &Recount) -> Json {
    json!({
        "messages": recount.messages,
        "received": recount.casts.len(),
        "counts": counts(&recount.casts),
        "set_aside_by": set_aside_by(&recount.casts),
        "voids": recount.voids.len(),
        "duplicates": recount.duplicates,
        "refused": recount.refused,
    })
}

fn counts<'a>(casts: impl IntoIterator<Item = &'a Received>) -> Json {
    let (mut received, mut accepted, mut superseded, mut voided, mut set_aside) = (0, 0, 0, 0, 0);
    for cast in casts {
        received += 1;
        match cast.state {
            State::Accepted => accepted += 1,
            State::Superseded => superseded += 1,
            State::Voided => voided += 1,
            State::SetAside(_) => set_aside += 1,
        }
    }
    json!({
        "received": received,
        "accepted": accepted,
        "superseded": superseded,
        "voided": voided,
        "set_aside": set_aside,
    })
}

fn set_aside_by<'a>(casts: impl IntoIterator<Item = &'a Received>) -> BTreeMap<&'static str, u64> {
    let mut by = BTreeMap::new();
    for cast in casts {
        if let State::SetAside(reason) = cast.state {
            *by.entry(reason).or_default() += 1;
        }
    }
    by
}

/// A fraction of 1; null where there is nothing to divide by.
fn share(part: u64, of: Option<u64>) -> Option<f64> {
    let of = of.filter(|of| *of > 0)?;
    Some(part as f64 / of as f64)
}
