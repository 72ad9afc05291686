//! Sliding windows and the series, as sums over cells of event time.
//!
//! A window starts at a multiple of the slide and holds the ballots of the cells in it. Only
//! windows with ballots, and that do not begin before the horizon, are rows.

use super::POINTS_MAX;
use super::contest::ContestView;
use super::votes::Votes;
use crate::directory::ContestRule;

/// A window's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    pub(super) is_final: bool,
    pub(super) late: i64,
    pub(super) votes: Votes,
}

/// The newest windows of a contest, newest first.
pub(super) fn newest(view: &ContestView, rule: &ContestRule, limit: usize) -> Vec<Window> {
    let mut windows = Vec::new();
    let Some(&(latest_ms, _)) = view.spans.get_max() else {
        return windows;
    };
    let mut start_ms = latest_ms;
    while windows.len() < limit && !view.is_earlier(start_ms, rule.slide_ms) {
        let window = window(view, rule, start_ms);
        if window.votes.is_empty() {
            // Nothing here, so nothing down to the next cell with ballots.
            match view.spans.range(..start_ms).next_back() {
                Some((&next_ms, _)) => start_ms = next_ms,
                None => break,
            }
        } else {
            windows.push(window);
            start_ms -= rule.slide_ms;
        }
    }
    windows
}

fn window(view: &ContestView, rule: &ContestRule, start_ms: i64) -> Window {
    let end_ms = start_ms + rule.window_ms;
    let mut window = Window {
        start_ms,
        is_final: view
            .watermark_ms
            .is_some_and(|watermark_ms| end_ms <= watermark_ms),
        late: 0,
        votes: Votes::default(),
    };
    for (_, cell) in view.spans.range(start_ms..end_ms) {
        window.votes.add_all(&cell.votes, 1);
        window.late += cell.late;
    }
    window
}

/// The series in steps: the start of each step with ballots, and its sums.
pub(super) fn series(
    view: &ContestView,
    rule: &ContestRule,
    step_ms: Option<i64>,
) -> (i64, Vec<(i64, Votes)>) {
    let first = view.horizon_ms.map_or(i64::MIN, |horizon_ms| {
        // The first cell that ends after the horizon.
        horizon_ms.saturating_sub(rule.slide_ms).saturating_add(1)
    });
    let step_ms = step(view, rule, first, step_ms);
    let mut points: Vec<(i64, Votes)> = Vec::new();
    for (start_ms, cell) in view.spans.range(first..) {
        let at_ms = start_ms.div_euclid(step_ms) * step_ms;
        if points.last().is_none_or(|(last_ms, _)| *last_ms != at_ms) {
            points.push((at_ms, Votes::default()));
        }
        if let Some((_, votes)) = points.last_mut() {
            votes.add_all(&cell.votes, 1);
        }
    }
    (step_ms, points)
}

/// The smallest multiple of what is asked for, or of the slide, that gives few enough points.
fn step(view: &ContestView, rule: &ContestRule, first: i64, asked_ms: Option<i64>) -> i64 {
    let unit_ms = asked_ms.unwrap_or(rule.slide_ms);
    let mut served = view.spans.range(first..).map(|(start_ms, _)| *start_ms);
    let Some(from_ms) = served.next() else {
        return unit_ms;
    };
    let to_ms = served.next_back().unwrap_or(from_ms);
    let points = |step_ms: i64| to_ms.div_euclid(step_ms) - from_ms.div_euclid(step_ms) + 1;
    let least = (to_ms - from_ms) / unit_ms / POINTS_MAX;
    let mut times = least.max(1);
    while points(unit_ms * times) > POINTS_MAX {
        times += 1;
    }
    unit_ms * times
}
