//! The answers of a snapshot, as HTTP gives them: numbers in, names out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::contest::{ContestView, Ranked};
use super::disclose::Rest;
use super::votes::{Votes, count, share};
use super::windows::{Window, newest, series};
use super::{Parent, Snapshot, Unknown, WINDOWS_MAX};
use crate::accept::{Aside, State};
use crate::answer::{
    CandidateDetail, CandidateRow, ContestHead, ContestRow, Contests, Counts, Earlier, ElectionRow,
    Elections, LocationRow, Locations, Point, RestRow, RestSum, Results, Series, Totals, WindowRow,
    Windows,
};
use crate::directory::{ContestRule, Node, Tree};
use crate::register::{Candidate, Contest};
use crate::time::format_rfc3339;

/// A contest of a snapshot.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) number: u32,
    pub(super) rule: &'a ContestRule,
    pub(super) view: &'a ContestView,
}

/// How many candidates the head of a contest names.
const FIRST: usize = 2;

impl Snapshot {
    /// The tick as an instant.
    pub fn as_of(&self) -> String {
        format_rfc3339(i64::try_from(self.tick).unwrap_or(i64::MAX))
    }

    /// The id of the contest that is asked for, or of the default one.
    pub fn contest_id<'a>(&'a self, asked: Option<&'a str>) -> Result<&'a str, Unknown> {
        match asked {
            Some(id) => self.of(id).map(|_| id),
            None => {
                let default = self.directory.default_contest;
                let default = default.ok_or(Unknown::DefaultContest)?;
                Ok(self.directory.contests.text(default))
            }
        }
    }

    /// The ids of all contests, in the register's order.
    pub fn contest_ids(&self) -> Vec<String> {
        let contests = self.directory.register.contests.iter();
        contests.map(|contest| contest.contest_id.clone()).collect()
    }

    /// `GET /api/v1/results`.
    pub fn results(&self, contest: &str) -> Result<Results, Unknown> {
        let of = self.of(contest)?;
        Ok(Results {
            candidates: of.view.ranking.iter().map(|r| of.candidate(r)).collect(),
            ..of.head()
        })
    }

    /// `GET /api/v1/contests`.
    pub fn contest_heads(&self) -> Contests {
        let rows = self.directory.register.contests.iter();
        let head = |row: &Contest| {
            let of = self.of(&row.contest_id).ok()?;
            let head = of.head();
            let first = of.view.ranking.iter().take(FIRST);
            Some(ContestHead {
                contest_id: head.contest_id,
                election_id: row.election_id.clone(),
                name: name(&row.name, &row.contest_id),
                counts: head.counts,
                blank: head.blank,
                registered: head.registered,
                turnout: head.turnout,
                leader: head.leader,
                margin: head.margin,
                candidates: first.map(|ranked| of.candidate(ranked)).collect(),
            })
        };
        Contests {
            tick: self.tick,
            as_of: self.as_of(),
            register_version: self.register_version().to_string(),
            offsets: self.named_offsets(),
            contests: rows.filter_map(head).collect(),
        }
    }

    /// `GET /api/v1/locations`.
    pub fn locations(&self, contest: &str, parent: Parent<'_>) -> Result<Locations, Unknown> {
        let of = self.of(contest)?;
        let known = |code| {
            let number = self.directory.locations.number(code);
            number.filter(|number| of.tree().is_some_and(|tree| tree.node(*number).is_some()))
        };
        let below = match parent {
            Parent::Any => None,
            Parent::None => Some(None),
            Parent::Of(code) => Some(Some(known(code).ok_or(Unknown::Location)?)),
        };
        let nodes = of.tree().into_iter().flat_map(|tree| tree.nodes());
        let listed = nodes.filter(|(_, node)| below.is_none_or(|parent| node.parent == parent));
        Ok(Locations {
            tick: self.tick,
            as_of: self.as_of(),
            register_version: self.register_version().to_string(),
            contest_id: contest.to_string(),
            locations: listed.map(|(at, node)| of.location(at, node)).collect(),
            rest: of.rests(|parent| below.is_none_or(|asked| parent == asked)),
        })
    }

    /// `GET /api/v1/windows`; at most [`WINDOWS_MAX`] rows.
    pub fn windows(&self, contest: &str, limit: usize) -> Result<Windows, Unknown> {
        let of = self.of(contest)?;
        let rows = newest(of.view, of.rule, limit.min(WINDOWS_MAX));
        Ok(Windows {
            windows: rows.iter().map(|window| of.window(window)).collect(),
            ..of.windows_head()
        })
    }

    /// `GET /api/v1/series`; the step is a multiple of what is asked for, at least of the slide.
    pub fn series(&self, contest: &str, step_ms: Option<i64>) -> Result<Series, Unknown> {
        let of = self.of(contest)?;
        let fits = |step_ms: &i64| *step_ms > 0 && step_ms % of.rule.slide_ms == 0;
        if step_ms.is_some_and(|step_ms| !fits(&step_ms)) {
            return Err(Unknown::Step);
        }
        let (step_ms, points) = series(of.view, of.rule, step_ms);
        let point = |(at_ms, votes): &(i64, Votes)| Point {
            at: format_rfc3339(*at_ms),
            accepted: votes.accepted(),
            blank: votes.blank(),
            votes: votes.named(&self.directory),
        };
        Ok(Series {
            tick: self.tick,
            as_of: self.as_of(),
            register_version: self.register_version().to_string(),
            contest_id: contest.to_string(),
            step_ms,
            earlier: of.earlier(),
            rest: of.rest_of_series(),
            points: points.iter().map(point).collect(),
        })
    }

    /// Every message by its outcome.
    pub fn totals(&self) -> Totals {
        let state = |state| count(self.casts.get(&state).copied().unwrap_or_default());
        let counts = counts(state);
        let refused = self.refused.iter().filter(|(_, messages)| **messages != 0);
        Totals {
            messages: self.messages(),
            received: counts.received,
            counts,
            set_aside_by: set_aside_by(state),
            voids: count(self.voids),
            duplicates: count(self.duplicates),
            refused: refused
                .map(|(reason, messages)| (reason.as_str().to_string(), count(*messages)))
                .collect(),
        }
    }

    /// `GET /api/v1/elections`.
    pub fn elections(&self) -> Elections {
        let register = &self.directory.register;
        let rows = register.elections.iter().map(|election| {
            let contests = register.contests.iter();
            let contests = contests.filter(|c| c.election_id == election.election_id);
            ElectionRow {
                election_id: election.election_id.clone(),
                name: name(&election.name, &election.election_id),
                date: election.date.clone(),
                test: election.test,
                roll: election.roll,
                geojson_url: election.geojson_url.clone(),
                geojson_property: election.geojson_property.clone(),
                time_zone: election
                    .time_zone
                    .clone()
                    .unwrap_or_else(|| "UTC".to_string()),
                contests: contests.map(|contest| self.contest_row(contest)).collect(),
            }
        });
        Elections {
            tick: self.tick,
            as_of: self.as_of(),
            register_version: self.register_version().to_string(),
            elections: rows.collect(),
        }
    }

    /// Every address of another resource that the register names: portraits and outlines.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let register = &self.directory.register;
        let photos = register.candidates.iter().map(|row| &row.photo_url);
        let outlines = register.elections.iter().map(|row| &row.geojson_url);
        photos.chain(outlines).flatten().map(String::as_str)
    }

    fn contest_row(&self, contest: &Contest) -> ContestRow {
        let directory = &self.directory;
        let number = directory.contests.number(&contest.contest_id);
        let line_up = number.and_then(|number| directory.line_ups.get(&number));
        let rows = line_up.into_iter().flatten();
        let candidates = rows.map(|(_, row)| detail(&directory.register.candidates[*row]));
        ContestRow {
            contest_id: contest.contest_id.clone(),
            election_id: contest.election_id.clone(),
            name: name(&contest.name, &contest.contest_id),
            is_default: number.is_some() && number == directory.default_contest,
            kind: contest.kind.clone(),
            revote: contest.revote.clone(),
            window_ms: contest.window_ms,
            slide_ms: contest.slide_ms,
            opens_at: contest.opens_at.map(|at| format_rfc3339(at.0)),
            closes_at: contest.closes_at.map(|at| format_rfc3339(at.0)),
            candidates: candidates.collect(),
        }
    }

    pub(super) fn of(&self, contest: &str) -> Result<Of<'_>, Unknown> {
        let number = self.directory.contests.number(contest);
        let number = number.ok_or(Unknown::Contest)?;
        let rule = self.directory.rule(number).ok_or(Unknown::Contest)?;
        let view = self.contests.get(&number).ok_or(Unknown::Contest)?;
        Ok(Of {
            snapshot: self,
            number,
            rule,
            view,
        })
    }

    /// The next offset of each `topic/partition`.
    pub fn named_offsets(&self) -> BTreeMap<String, i64> {
        self.next_offsets()
            .map(|(partition, next)| (format!("{}/{partition}", self.settings.topic), next))
            .collect()
    }
}

impl<'a> Of<'a> {
    /// The results without candidates.
    pub(super) fn head(self) -> Results {
        let snapshot = self.snapshot;
        let state = |state| self.view.state(state);
        let counts = counts(state);
        let registered = self.registered();
        let ranking = &self.view.ranking;
        let leader = match ranking.as_slice() {
            [first, rest @ ..] if first.votes > 0 => {
                let alone = rest.first().is_none_or(|second| second.votes < first.votes);
                alone.then_some(first.candidate)
            }
            _ => None,
        };
        let margin = ranking
            .first()
            .map(|first| first.votes - ranking.get(1).map_or(0, |second| second.votes));
        Results {
            tick: snapshot.tick,
            as_of: snapshot.as_of(),
            register_version: snapshot.register_version().to_string(),
            contest_id: snapshot.directory.contests.text(self.number).to_string(),
            offsets: snapshot.named_offsets(),
            counts,
            set_aside_by: set_aside_by(state),
            conflicts: count(self.view.conflicts),
            blank: self.view.candidates.blank(),
            registered,
            turnout: share(counts.accepted, registered),
            leader: leader.map(|leader| self.candidate_id(leader)),
            margin,
            candidates: Vec::new(),
        }
    }

    fn registered(self) -> Option<u64> {
        let of_tree = self.tree().and_then(|tree| tree.registered);
        let roll = self.snapshot.directory.roll_sizes.get(&self.rule.election);
        of_tree.or(roll.copied())
    }

    pub(super) fn candidate_id(self, number: u32) -> String {
        self.snapshot.directory.candidates.text(number).to_string()
    }

    pub(super) fn candidate(self, ranked: &Ranked) -> CandidateRow {
        let row = &self.snapshot.directory.register.candidates[ranked.row];
        CandidateRow {
            candidate_id: row.candidate_id.clone(),
            candidate_name: name(&row.candidate_name, &row.candidate_id),
            short_name: row.short_name.clone(),
            party: row.party.clone(),
            color: row.color.clone(),
            photo_url: row.photo_url.clone(),
            votes: ranked.votes,
            share: ranked.share,
            rank: ranked.rank,
            withdrawn: row.withdrawn_at.is_some(),
        }
    }

    pub(super) fn tree(self) -> Option<&'a Arc<Tree>> {
        self.snapshot.directory.trees.get(&self.rule.election)
    }

    pub(super) fn location(self, number: u32, node: &Node) -> LocationRow {
        let directory = &self.snapshot.directory;
        let none = Votes::default();
        let found = self.view.locations.get(&number);
        let votes = found.map_or(&none, |votes| votes);
        LocationRow {
            suppressed: found.is_none() && self.view.public.is_some(),
            location: directory.locations.text(number).to_string(),
            name: node.name.clone(),
            parent: node
                .parent
                .map(|at| directory.locations.text(at).to_string()),
            leaf: node.leaf,
            registered: node.registered,
            accepted: votes.accepted(),
            blank: votes.blank(),
            turnout: share(votes.accepted(), node.registered),
            leader: votes.leader().map(|leader| self.candidate_id(leader)),
            votes: votes.named(directory),
        }
    }

    /// What the public sees of suppressed rows, by parent.
    pub(super) fn rests(self, is_asked: impl Fn(Option<u32>) -> bool) -> Vec<RestRow> {
        let rests = self.view.public.iter().flat_map(|public| &public.rests);
        let asked = rests.filter(|(parent, _)| is_asked(**parent));
        let names = &self.snapshot.directory.locations;
        let row = |(parent, rest): (&Option<u32>, &Rest)| RestRow {
            parent: parent.map(|parent| names.text(parent).to_string()),
            sum: self.rest(rest),
        };
        asked.map(row).collect()
    }

    fn rest_of_series(self) -> Option<RestSum> {
        let public = self.view.public.as_ref()?;
        public.series_rest.as_ref().map(|rest| self.rest(rest))
    }

    fn rest(self, rest: &Rest) -> RestSum {
        let none = Votes::default();
        let (votes, suppressed) = match rest {
            Rest::Figures(votes) => (votes, false),
            Rest::Suppressed => (&none, true),
        };
        RestSum {
            suppressed,
            accepted: votes.accepted(),
            blank: votes.blank(),
            votes: votes.named(&self.snapshot.directory),
        }
    }

    /// The answer of windows without rows.
    pub(super) fn windows_head(self) -> Windows {
        let snapshot = self.snapshot;
        Windows {
            tick: snapshot.tick,
            as_of: snapshot.as_of(),
            register_version: snapshot.register_version().to_string(),
            contest_id: snapshot.directory.contests.text(self.number).to_string(),
            watermark: self.view.watermark_ms.map(format_rfc3339),
            window_ms: self.rule.window_ms,
            slide_ms: self.rule.slide_ms,
            earlier: self.earlier(),
            windows: Vec::new(),
        }
    }

    pub(super) fn window(self, window: &Window) -> WindowRow {
        WindowRow {
            start: format_rfc3339(window.start_ms),
            end: format_rfc3339(window.end_ms),
            r#final: window.is_final,
            accepted: window.votes.accepted(),
            blank: window.votes.blank(),
            late: count(window.late),
            votes: window.votes.named(&self.snapshot.directory),
        }
    }

    fn earlier(self) -> Earlier {
        let earlier = &self.view.earlier;
        Earlier {
            accepted: earlier.accepted(),
            blank: earlier.blank(),
            votes: earlier.named(&self.snapshot.directory),
        }
    }
}

fn counts(state: impl Fn(State) -> u64) -> Counts {
    let counts = Counts {
        received: 0,
        accepted: state(State::Accepted),
        superseded: state(State::Superseded),
        voided: state(State::Voided),
        set_aside: Aside::ALL
            .map(|aside| state(State::SetAside(aside)))
            .iter()
            .sum(),
    };
    Counts {
        received: counts.accepted + counts.superseded + counts.voided + counts.set_aside,
        ..counts
    }
}

fn set_aside_by(state: impl Fn(State) -> u64) -> BTreeMap<String, u64> {
    let each = Aside::ALL.into_iter();
    let each = each.map(|aside| (aside.as_str().to_string(), state(State::SetAside(aside))));
    each.filter(|(_, casts)| *casts > 0).collect()
}

fn name(name: &Option<String>, id: &str) -> String {
    name.clone().unwrap_or_else(|| id.to_string())
}

fn detail(row: &Candidate) -> CandidateDetail {
    CandidateDetail {
        contest_id: row.contest_id.clone(),
        candidate_id: row.candidate_id.clone(),
        candidate_name: name(&row.candidate_name, &row.candidate_id),
        short_name: row.short_name.clone(),
        party: row.party.clone(),
        biography: row.biography.clone(),
        campaign_promises: row.campaign_promises.clone(),
        photo_url: row.photo_url.clone(),
        color: row.color.clone(),
        position: row.position,
        withdrawn_at: row.withdrawn_at.map(|at| format_rfc3339(at.0)),
    }
}
