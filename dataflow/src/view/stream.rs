//! What the stream shows of a snapshot: all of a contest, or the rows that a change names.

use super::answers::Of;
use super::change::ContestChange;
use super::{Parent, STREAM_WINDOWS, Snapshot, Unknown};
use crate::answer::{
    Correction, LocationRow, Removed, Results, StreamChange, StreamSnapshot, Windows,
};
use crate::directory::BLANK;
use crate::time::format_rfc3339;

/// Which parts of a contest a stream is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Views {
    /// Its results, and what left its counts.
    pub results: bool,
    /// Its locations.
    pub locations: bool,
    /// Its windows.
    pub windows: bool,
}

impl Views {
    /// All parts.
    pub const ALL: Views = Views {
        results: true,
        locations: true,
        windows: true,
    };
}

impl Snapshot {
    /// The `snapshot` event of a contest; without the rows of what is not asked for.
    pub fn stream_snapshot(&self, contest: &str, views: Views) -> Result<StreamSnapshot, Unknown> {
        let (mut locations, mut rest) = (Vec::new(), Vec::new());
        if views.locations {
            locations = self.locations(contest, Parent::Any)?.locations;
            rest = self.of(contest)?.rests(|_| true);
        }
        Ok(StreamSnapshot {
            tick: self.tick(),
            as_of: self.as_of(),
            register_version: self.register_version().to_string(),
            contest_id: contest.to_string(),
            results: self.results(contest)?,
            locations,
            rest,
            windows: self.windows(contest, if views.windows { STREAM_WINDOWS } else { 0 })?,
        })
    }

    /// The `change` event of a contest: the rows that the change names, as they are here; without
    /// those of what is not asked for.
    pub fn stream_change(
        &self,
        contest: &str,
        change: &ContestChange,
        views: Views,
    ) -> Result<StreamChange, Unknown> {
        let of = self.of(contest)?;
        let mut removed = Removed::default();
        let results = changed_candidates(of, change, &mut removed);
        let (mut locations, mut rest) = (Vec::new(), Vec::new());
        if views.locations {
            locations = changed_locations(of, change, &mut removed);
            rest = of.rests(|_| true);
        }
        let windows = match views.windows {
            true => changed_windows(of, change, &mut removed),
            false => of.windows_head(),
        };
        let corrections = change.corrections.iter();
        let corrections = corrections.map(|(&(candidate, why), &minus)| Correction {
            candidate_id: (candidate != BLANK).then(|| of.candidate_id(candidate)),
            minus,
            why: why.as_str(),
        });
        Ok(StreamChange {
            tick: self.tick(),
            as_of: self.as_of(),
            register_version: self.register_version().to_string(),
            contest_id: contest.to_string(),
            results,
            locations,
            rest,
            windows,
            removed,
            corrections: corrections.collect(),
        })
    }
}

fn changed_candidates(of: Of<'_>, change: &ContestChange, removed: &mut Removed) -> Results {
    let ranking = || of.view.ranking.iter();
    let changed = ranking().filter(|ranked| change.candidates.contains(&ranked.candidate));
    let standing: std::collections::BTreeSet<u32> = ranking().map(|r| r.candidate).collect();
    let gone = change.candidates.gone(|number| standing.contains(number));
    removed.candidates = gone.map(|number| of.candidate_id(number)).collect();
    Results {
        candidates: changed.map(|ranked| of.candidate(ranked)).collect(),
        ..of.head()
    }
}

fn changed_locations(
    of: Of<'_>,
    change: &ContestChange,
    removed: &mut Removed,
) -> Vec<LocationRow> {
    let node = |number| of.tree().and_then(|tree| tree.node(number));
    let shown = change.locations.iter();
    let mut rows: Vec<LocationRow> = shown
        .filter_map(|number| Some(of.location(number, node(number)?)))
        .collect();
    let texts = &of.snapshot.directory().locations;
    let gone = change.locations.gone(|number| node(*number).is_some());
    removed.locations = gone.map(|number| texts.text(number).to_string()).collect();
    rows.sort_by(|a, b| a.location.cmp(&b.location));
    rows
}

fn changed_windows(of: Of<'_>, change: &ContestChange, removed: &mut Removed) -> Windows {
    let windows = || of.view.windows.iter();
    let changed = windows().filter(|window| change.windows.contains(&window.start_ms));
    let served: std::collections::BTreeSet<i64> = windows().map(|w| w.start_ms).collect();
    let gone = change.windows.gone(|start_ms| served.contains(start_ms));
    removed.windows = gone.map(format_rfc3339).collect();
    Windows {
        windows: changed.map(|window| of.window(window)).collect(),
        ..of.windows_head()
    }
}
