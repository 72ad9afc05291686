//! One contest's sums, and what is derived from them at the end of a tick: ranks, the watermark,
//! the sum before the horizon, the newest windows.

use std::sync::Arc;

use imbl::OrdMap;

use super::disclose::Public;
use super::votes::{Votes, count};
use super::windows::{Window, newest};
use super::{STREAM_WINDOWS, ViewSettings};
use crate::accept::State;
use crate::directory::Directory;
use crate::graph::Span;

/// The sums of one contest.
#[derive(Clone, Debug, Default)]
pub(super) struct ContestView {
    pub(super) casts: OrdMap<State, i64>,
    pub(super) conflicts: i64,
    pub(super) candidates: Votes,
    pub(super) locations: OrdMap<u32, Arc<Votes>>,
    /// Slide-sized cells of event time, by start; only those with ballots.
    pub(super) spans: OrdMap<i64, Arc<SpanVotes>>,
    /// The start of the oldest cell that is served, once there are older ones: those are in
    /// `earlier`.
    pub(super) served_from_ms: Option<i64>,
    /// How many cells with ballots are served.
    pub(super) served: usize,
    pub(super) earlier: Votes,
    pub(super) watermark_ms: Option<i64>,
    pub(super) ranking: Arc<Vec<Ranked>>,
    pub(super) windows: Arc<Vec<Window>>,
    /// Where these are what the public sees of the rows, and not the rows.
    pub(super) public: Option<Arc<Public>>,
}

/// A cell of event time over all locations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpanVotes {
    pub(super) votes: Votes,
    pub(super) late: i64,
}

/// A candidate's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ranked {
    pub(super) candidate: u32,
    pub(super) row: usize,
    pub(super) votes: u64,
    pub(super) rank: u64,
    pub(super) share: Option<f64>,
}

impl ContestView {
    pub(super) fn add_in_location(&mut self, location: u32, candidate: u32, by: i64) {
        let votes = Arc::make_mut(self.locations.entry(location).or_default());
        votes.add(candidate, by);
        if votes.is_empty() {
            self.locations.remove(&location);
        }
    }

    pub(super) fn add_in_span(&mut self, span: Span, by: i64) {
        let is_earlier = self.is_earlier(span.start_ms);
        if !self.spans.contains_key(&span.start_ms) && !is_earlier {
            self.served += 1;
        }
        let cell = Arc::make_mut(self.spans.entry(span.start_ms).or_default());
        cell.votes.add(span.candidate, by);
        if span.late {
            cell.late += by;
        }
        if cell.votes.is_empty() && cell.late == 0 {
            self.spans.remove(&span.start_ms);
            if !is_earlier {
                self.served -= 1;
            }
        }
        if is_earlier {
            self.earlier.add(span.candidate, by);
        }
    }

    /// Whether a cell is served only as part of `earlier`, and a window that begins there not.
    pub(super) fn is_earlier(&self, start_ms: i64) -> bool {
        self.served_from_ms
            .is_some_and(|served_from_ms| start_ms < served_from_ms)
    }

    pub(super) fn state(&self, state: State) -> u64 {
        count(self.casts.get(&state).copied().unwrap_or_default())
    }

    /// Brings what is derived up to date with the sums.
    pub(super) fn derive(&mut self, number: u32, directory: &Directory, settings: &ViewSettings) {
        let slide_ms = directory.place(number).slide_ms.max(1);
        let latest_ms = self.spans.get_max().map(|(start_ms, _)| *start_ms);
        self.watermark_ms = latest_ms.map(|latest_ms| latest_ms - settings.lateness_ms);
        let served_max = usize::try_from(settings.horizon_ms / slide_ms).unwrap_or(usize::MAX);
        self.move_horizon(served_max);
        self.ranking = Arc::new(self.rank(number, directory));
        self.windows = match directory.rule(number) {
            Some(rule) => Arc::new(newest(self, rule, STREAM_WINDOWS)),
            None => Arc::default(),
        };
    }

    /// Serves the newest cells, at most so many, and sums up the older ones. A tick costs as many
    /// steps as it brings cells, wherever they are in time.
    fn move_horizon(&mut self, served_max: usize) {
        let mut from_ms = self.served_from_ms.unwrap_or(i64::MIN);
        while self.served > served_max {
            let Some((&oldest_ms, cell)) = self.spans.range(from_ms..).next() else {
                break;
            };
            self.earlier.add_all(&cell.votes, 1);
            self.served -= 1;
            from_ms = oldest_ms.saturating_add(1);
        }
        while self.served < served_max {
            let Some((&newest_ms, cell)) = self.spans.range(..from_ms).next_back() else {
                break;
            };
            self.earlier.add_all(&cell.votes, -1);
            self.served += 1;
            from_ms = newest_ms;
        }
        let has_earlier = self.spans.range(..from_ms).next().is_some();
        let oldest = self.spans.range(from_ms..).next();
        let oldest_ms = oldest.map_or(i64::MAX, |(start_ms, _)| *start_ms);
        self.served_from_ms = has_earlier.then_some(oldest_ms);
    }

    fn rank(&self, number: u32, directory: &Directory) -> Vec<Ranked> {
        let line_up = directory.line_ups.get(&number).into_iter().flatten();
        let mut ranking: Vec<Ranked> = line_up
            .map(|&(candidate, row)| Ranked {
                candidate,
                row,
                votes: self.candidates.of(candidate),
                rank: 0,
                share: None,
            })
            .collect();
        // Stable: equal votes stay by position, then id.
        ranking.sort_by_key(|ranked| std::cmp::Reverse(ranked.votes));
        let total = self.candidates.accepted() - self.candidates.blank();
        for at in 0..ranking.len() {
            ranking[at].share = super::votes::share(ranking[at].votes, Some(total));
            let shared = at > 0 && ranking[at - 1].votes == ranking[at].votes;
            ranking[at].rank = if shared {
                ranking[at - 1].rank
            } else {
                at as u64 + 1
            };
        }
        ranking
    }
}
