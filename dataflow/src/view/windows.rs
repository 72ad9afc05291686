//! Sliding windows and the series, as sums over cells of event time.
//!
//! A window starts at a multiple of the slide and holds the ballots of the cells in it. Only
//! windows with ballots, and that do not begin before the oldest served cell once there are older
//! ones, are rows.

use super::POINTS_MAX;
use super::contest::ContestView;
use super::votes::Votes;
use crate::directory::ContestRule;

/// A window's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start_ms: i64,
    /// Exclusive.
    pub(super) end_ms: i64,
    pub(super) is_final: bool,
    pub(super) late: i64,
    pub(super) votes: Votes,
}

/// The newest windows of a contest, newest first.
pub(super) fn newest(view: &ContestView, rule: &ContestRule, limit: usize) -> Vec<Window> {
    if let Some(public) = &view.public {
        return public.windows.iter().take(limit).cloned().collect();
    }
    let mut windows = Vec::new();
    let Some(&(latest_ms, _)) = view.spans.get_max() else {
        return windows;
    };
    let mut start_ms = latest_ms;
    while windows.len() < limit && !view.is_earlier(start_ms) {
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
        end_ms,
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
    let served_from_ms = view.served_from_ms.unwrap_or(i64::MIN);
    let served = view.spans.range(served_from_ms..);
    let cells: Vec<(i64, &Votes)> = served
        .map(|(start_ms, cell)| (*start_ms, &cell.votes))
        .collect();
    in_steps(&cells, step_ms.unwrap_or(rule.slide_ms))
}

/// Cells, ascending, as steps: the step is the unit or a multiple of it.
fn in_steps(cells: &[(i64, &Votes)], unit_ms: i64) -> (i64, Vec<(i64, Votes)>) {
    let step_ms = step(cells, unit_ms);
    let mut points: Vec<(i64, Votes)> = Vec::new();
    for (start_ms, votes) in cells {
        let at_ms = start_ms.div_euclid(step_ms).saturating_mul(step_ms);
        if points.last().is_none_or(|(last_ms, _)| *last_ms != at_ms) {
            points.push((at_ms, Votes::default()));
        }
        if let Some((_, sum)) = points.last_mut() {
            sum.add_all(votes, 1);
        }
    }
    (step_ms, points)
}

/// A small multiple of the unit that gives few enough points. Only steps with ballots are points,
/// so a ballot far away in time makes no step longer.
fn step(cells: &[(i64, &Votes)], unit_ms: i64) -> i64 {
    let fits = |times: i64| {
        let step_ms = unit_ms.saturating_mul(times);
        let mut points = 0;
        let mut last_at = None;
        for (start_ms, _) in cells {
            let at = Some(start_ms.div_euclid(step_ms));
            points += i64::from(at != last_at);
            last_at = at;
        }
        points <= POINTS_MAX
    };
    // Doubled until it fits, then halved between the two: a look at all cells some thirty times.
    let mut high = 1;
    while !fits(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    unit_ms.saturating_mul(high)
}
