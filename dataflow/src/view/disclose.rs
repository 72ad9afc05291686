//! Small numbers: what the public may see of a snapshot, so that no figure is about a few people.
//!
//! In come the publications of every tick; out come publications of the same ticks in which rows
//! of fewer than `min` ballots have no figures, others are renewed only once as many have changed
//! ([`places`], [`times`]), and corrections are told when they have come to as many. The totals of
//! a contest stay live. All that the public is given is made from this one sequence, so nobody
//! sees more by connecting at another moment, for another interval, or twice.
//!
//! Non-guarantee: a row in which all chose alike says what each of them chose; and who knows when
//! somebody voted may find that ballot in the contest's live totals.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::ContestChange;
use super::contest::ContestView;
use super::votes::Votes;
use super::windows::Window;
use super::{Publication, STREAM_WINDOWS, Snapshot, ViewSettings};
use crate::accept::Why;
use crate::directory::{Directory, Tree};
use places::Places;
pub(in crate::view) use places::Table;
pub use remembered::Remembered;
use suppress::Children;
use times::{Sizes, Times};

mod places;
mod remembered;
mod suppress;
mod times;

/// What the public sees, from tick to tick.
#[derive(Clone, Debug)]
pub struct Disclosure {
    min: u64,
    contests: BTreeMap<u32, Contest>,
    /// The rows of each parent, by election.
    trees: BTreeMap<u32, Children>,
    /// What the public saw last.
    before: Arc<Snapshot>,
    /// What it saw before a restart, until a tick comes.
    remembered: Option<Remembered>,
}

/// The public side of a tick.
#[derive(Debug)]
pub struct Disclosed {
    /// What the public sees.
    pub publication: Publication,
    /// Whether rows have figures, or bounds, that the public has not seen before: what must be
    /// remembered over a restart before it is published.
    pub renewed: bool,
}

#[derive(Clone, Debug, Default)]
struct Contest {
    places: Places,
    times: Times,
    /// Departures that are too few to be told.
    corrections: BTreeMap<(u32, Why), u64>,
}

/// What a contest's view holds besides where its rows are those that the public sees.
#[derive(Clone, Debug, Default)]
pub(super) struct Public {
    pub(super) rests: Rests,
    /// Newest first.
    pub(super) windows: Vec<Window>,
    pub(super) series_rest: Option<Rest>,
}

/// By parent.
type Rests = BTreeMap<Option<u32>, Rest>;

/// What suppressed rows hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Enough to be shown.
    Figures(Votes),
    /// Too few, or fewer than were shown of it before.
    Suppressed,
}

impl Rest {
    fn of(votes: Votes, min: u64) -> Rest {
        if votes.has_negative() || (1..min).contains(&votes.accepted()) {
            Rest::Suppressed
        } else {
            Rest::Figures(votes)
        }
    }
}

impl Disclosure {
    /// Nothing is shown yet. `min` is at least two, since one ballot changes no less than one.
    pub fn new(min: u64, settings: ViewSettings) -> Disclosure {
        Disclosure {
            min: min.max(2),
            contests: BTreeMap::new(),
            trees: BTreeMap::new(),
            before: Arc::new(Snapshot::empty(settings)),
            remembered: None,
        }
    }

    /// Goes on from what the public has seen before a restart.
    pub fn remember(&mut self, remembered: Remembered) {
        self.remembered = Some(remembered);
    }

    /// What the public has seen, to go on from after a restart.
    pub fn remembered(&self) -> Remembered {
        Remembered::of(&self.before, &self.contests)
    }

    /// The public side of a tick; ticks ascend.
    pub fn apply(&mut self, publication: &Publication) -> Disclosed {
        let snapshot = &publication.snapshot;
        let directory = Arc::clone(&snapshot.directory);
        let is_new = !Arc::ptr_eq(&directory, &self.before.directory);
        if is_new {
            let trees = directory.trees.iter();
            self.trees = trees
                .map(|(election, tree)| (*election, children(tree)))
                .collect();
        }
        if let Some(remembered) = self.remembered.take() {
            self.contests = remembered.contests(snapshot, &self.trees);
        }
        let mut public = (**snapshot).clone();
        public.contests = imbl::OrdMap::new();
        let mut changes = BTreeMap::new();
        let mut renewed = false;
        for (number, _) in directory.rules() {
            let id: &str = directory.contests.text(number);
            let change = publication.changes.get(id);
            let (Some(view), before) = (
                snapshot.contests.get(&number),
                self.before.contests.get(&number).cloned(),
            ) else {
                continue;
            };
            if let (None, false, Some(before)) = (change, is_new, &before) {
                public.contests.insert(number, Arc::clone(before));
                continue;
            }
            let (seen, differs) = self.contest(number, &directory, view, snapshot);
            renewed |= differs;
            if let Some(change) = change {
                let mut told = ContestChange {
                    candidates: change.candidates.clone(),
                    corrections: self.corrections(number, change),
                    ..ContestChange::default()
                };
                let was = before.unwrap_or_default();
                told.note_tables(&was.locations, &seen.locations);
                told.note_windows(&was, &seen);
                if is_new {
                    told.note_renewal(number, &self.before.directory, &directory);
                }
                changes.insert(id.to_string(), told);
            }
            public.contests.insert(number, Arc::new(seen));
        }
        self.before = Arc::new(public);
        Disclosed {
            publication: Publication {
                snapshot: Arc::clone(&self.before),
                changes,
            },
            renewed,
        }
    }

    /// What the public sees of a contest, and whether it has seen other rows before.
    fn contest(
        &mut self,
        number: u32,
        directory: &Directory,
        view: &ContestView,
        snapshot: &Snapshot,
    ) -> (ContestView, bool) {
        let none = Children::new();
        let place = directory.place(number);
        let rule = directory.rule(number);
        let children = self.trees.get(&place.election).unwrap_or(&none);
        let sizes = Sizes {
            slide_ms: place.slide_ms,
            window_ms: rule.map_or(place.slide_ms, |rule| rule.window_ms),
            lateness_ms: snapshot.settings.lateness_ms,
        };
        let contest = self.contests.entry(number).or_default();
        // In every tick with a change: which rows may be made anew depends on what came in one tick,
        // and no later tick may come that would catch up.
        let places = contest.places.update(children, &view.locations, self.min);
        let times = contest.times.update(&view.spans, sizes.slide_ms, self.min);
        let (locations, rests) = contest.places.shown(children, &view.candidates, self.min);
        let times_shown = contest.times.shown(sizes, view.served_from_ms);
        let mut rest = view.candidates.clone();
        rest.add_all(&times_shown.earlier, -1);
        for cell in times_shown.cells.values() {
            rest.add_all(&cell.votes, -1);
        }
        let newest = times_shown.windows.iter().take(STREAM_WINDOWS);
        let seen = ContestView {
            locations,
            spans: times_shown.cells,
            served_from_ms: None,
            earlier: times_shown.earlier,
            watermark_ms: times_shown.watermark_ms,
            windows: Arc::new(newest.cloned().collect()),
            public: Some(Arc::new(Public {
                rests,
                windows: times_shown.windows,
                series_rest: (!rest.is_empty()).then(|| Rest::of(rest, self.min)),
            })),
            ..view.clone()
        };
        (seen, places || times)
    }

    /// The departures to tell: those that have come to enough since they were told last.
    fn corrections(&mut self, number: u32, change: &ContestChange) -> BTreeMap<(u32, Why), u64> {
        let contest = self.contests.entry(number).or_default();
        for (key, minus) in &change.corrections {
            *contest.corrections.entry(*key).or_default() += minus;
        }
        let min = self.min;
        let told = contest
            .corrections
            .iter()
            .filter(|(_, minus)| **minus >= min);
        let told: BTreeMap<_, _> = told.map(|(key, minus)| (*key, *minus)).collect();
        contest.corrections.retain(|_, minus| *minus < min);
        told
    }
}

/// The rows of each parent, in the order of their codes.
fn children(tree: &Tree) -> Children {
    let mut children = Children::new();
    for (location, node) in tree.nodes() {
        children.entry(node.parent).or_default().push(location);
    }
    children
}
