//! What the neighbour does with what it is given: keeps all of it, and subtracts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

/// Ballots by candidate, blank ones under the empty name.
type Votes = BTreeMap<String, i64>;

/// See the module.
pub struct Neighbour {
    min: u64,
    /// Ballots go, too, so a difference may be of those that came and of those that went.
    corrects: bool,
    /// By location, as shown now.
    rows: BTreeMap<String, Votes>,
    /// By location, as last shown.
    last: BTreeMap<String, Votes>,
    parents: BTreeMap<String, Option<String>>,
    windows: BTreeMap<String, (String, Votes)>,
    /// The ticks in which rows of a parent were seen to be renewed.
    moments: BTreeMap<Option<String>, Vec<Moment>>,
    total: Votes,
    points: Json,
    /// What a subscriber of every tick holds.
    client: BTreeMap<String, Json>,
    slow: BTreeMap<String, Json>,
}

struct Moment {
    renewed: BTreeSet<String>,
    rows: BTreeMap<String, Votes>,
    total: Votes,
}

impl Neighbour {
    pub fn new(min: u64, corrects: bool) -> Neighbour {
        Neighbour {
            min,
            corrects,
            rows: BTreeMap::new(),
            last: BTreeMap::new(),
            parents: BTreeMap::new(),
            windows: BTreeMap::new(),
            moments: BTreeMap::new(),
            total: Votes::new(),
            points: Json::Null,
            client: BTreeMap::new(),
            slow: BTreeMap::new(),
        }
    }

    /// Takes a tick: all that a new subscriber is given, and what an old one is.
    pub fn see(&mut self, whole: &Json, frame: Option<&Json>) {
        self.total = votes_of_contest(&whole["results"]);
        let before = std::mem::take(&mut self.rows);
        let mut hidden: BTreeSet<Option<String>> = BTreeSet::new();
        for row in array(&whole["locations"]) {
            let (code, parent) = (text(&row["location"]), row["parent"].as_str());
            let parent = parent.map(str::to_string);
            self.parents.insert(code.clone(), parent.clone());
            if row["suppressed"] == true {
                let members = row.as_object().expect("a row").len();
                assert_eq!(members, 6, "a suppressed row has no figures: {row}");
                hidden.insert(parent);
            } else {
                self.rows.insert(code, self.sum(row));
            }
        }
        self.subtract_before(&before);
        self.subtract_siblings(whole, &hidden);
        self.subtract_moments(&before);
        self.see_windows(&whole["windows"]["windows"]);
        for row in array(&whole["windows"]["windows"]) {
            self.sum(row);
        }
        self.sum(&whole["windows"]["earlier"]);
        if let Some(frame) = frame {
            self.see_frame(frame, &before, whole);
        } else {
            self.client = by_key(&whole["locations"], "location");
        }
    }

    /// A figure is about none or about enough.
    fn sum(&self, row: &Json) -> Votes {
        let accepted = row["accepted"].as_u64().expect("a figure");
        let is_enough = accepted == 0 || accepted >= self.min;
        assert!(is_enough, "a row of too few: {row}");
        votes(row)
    }

    /// What a row was, taken from what it is.
    fn subtract_before(&self, before: &BTreeMap<String, Votes>) {
        for (code, now) in &self.rows {
            let changed = before.get(code).map(|then| changed(then, now));
            let is_enough = changed.is_none_or(|changed| changed == 0 || changed >= self.min);
            assert!(is_enough, "{code} is renewed for {changed:?} ballots");
        }
    }

    /// What is shown of a parent's children, taken from the parent: its rest.
    fn subtract_siblings(&self, whole: &Json, hidden: &BTreeSet<Option<String>>) {
        let mut rests: BTreeMap<Option<String>, &Json> = BTreeMap::new();
        for rest in array(&whole["rest"]) {
            rests.insert(rest["parent"].as_str().map(str::to_string), rest);
        }
        let parents: BTreeSet<&Option<String>> = self.parents.values().collect();
        for parent in parents {
            let whole = match parent {
                None => &self.total,
                Some(parent) => match self.rows.get(parent) {
                    Some(votes) => votes,
                    None => continue,
                },
            };
            let mut left = whole.clone();
            for (code, votes) in &self.rows {
                if self.parents[code] == *parent {
                    add(&mut left, votes, -1);
                }
            }
            let accepted: i64 = left.values().sum();
            let negative = left.values().any(|votes| *votes < 0);
            match rests.get(parent) {
                None => assert!(
                    left.is_empty() && !hidden.contains(parent),
                    "{parent:?}: {left:?}"
                ),
                Some(rest) if rest["suppressed"] == true => {
                    // Beside the live total it may be of what came since all rows were renewed.
                    let few = accepted.unsigned_abs() < self.min;
                    assert!(
                        negative || few && (parent.is_none() || self.corrects),
                        "{parent:?}: {left:?}"
                    );
                }
                Some(rest) => assert_eq!(self.sum(rest), left, "{parent:?}"),
            }
            if !self.corrects && parent.is_some() {
                let is_enough = accepted == 0 || accepted >= self.min as i64;
                assert!(is_enough, "{accepted} ballots are left below {parent:?}");
            }
        }
    }

    /// What two moments tell of the rows that were not renewed in both.
    fn subtract_moments(&mut self, before: &BTreeMap<String, Votes>) {
        let mut renewed: BTreeMap<Option<String>, BTreeSet<String>> = BTreeMap::new();
        for (code, now) in &self.rows {
            let parent = &self.parents[code];
            // A row that comes back with its parent may be as it was, or old.
            let was_asked = parent
                .as_ref()
                .is_none_or(|above| before.contains_key(above));
            let is_back = was_asked && !before.contains_key(code);
            if is_back || self.last.get(code) != Some(now) {
                let parent = parent.clone();
                renewed.entry(parent).or_default().insert(code.clone());
            }
        }
        self.last.extend(self.rows.clone());
        for (parent, renewed) in renewed {
            let total = match &parent {
                None => self.total.clone(),
                Some(parent) => self.rows[parent].clone(),
            };
            let rows = self.rows.clone();
            let now = Moment {
                renewed,
                rows,
                total,
            };
            let all = self.parents.iter().filter(|(_, above)| **above == parent);
            let all: BTreeSet<String> = all.map(|(code, _)| code.clone()).collect();
            let moments = self.moments.entry(parent).or_default();
            if !self.corrects {
                for then in moments.iter() {
                    subtract(then, &now, &all, self.min);
                }
            }
            moments.push(now);
        }
    }

    /// Windows of one tick that lie in each other, and each beside what it was.
    fn see_windows(&mut self, rows: &Json) {
        let windows: BTreeMap<String, (String, Votes)> = array(rows)
            .iter()
            .map(|row| (text(&row["start"]), (text(&row["end"]), self.sum(row))))
            .collect();
        for (start, (end, now)) in &windows {
            // Where ballots go, too, what two cells of a window changed may cancel out.
            if let Some((_, then)) = self.windows.get(start).filter(|_| !self.corrects) {
                let changed = changed(then, now);
                assert!(
                    changed == 0 || changed >= self.min,
                    "window {start}: {changed}"
                );
            }
            for (inner, (inner_end, less)) in windows.range(start.clone()..) {
                if inner_end <= end {
                    let left = changed(less, now);
                    let is_enough = left == 0 || left >= self.min;
                    assert!(is_enough, "{left} ballots in {start} and not in {inner}");
                }
            }
        }
        self.windows = windows;
    }

    /// The series by several steps.
    pub fn see_series(&mut self, answers: &[Json]) {
        for series in answers {
            let mut sum = self.sum(&series["earlier"]);
            for point in array(&series["points"]) {
                add(&mut sum, &self.sum(point), 1);
            }
            if series["rest"]["suppressed"] == true {
                continue;
            }
            if !series["rest"].is_null() {
                add(&mut sum, &self.sum(&series["rest"]), 1);
            }
            assert_eq!(
                sum, self.total,
                "earlier, points and rest are the contest's"
            );
        }
        for (finer, coarser) in answers.iter().zip(&answers[1..]) {
            self.subtract_steps(finer, coarser);
        }
        self.points = answers[0].clone();
    }

    /// Points of one step, taken from those of another that hold them.
    fn subtract_steps(&self, finer: &Json, coarser: &Json) {
        let (mut fine, mut coarse) = (Votes::new(), Votes::new());
        let mut inner = array(&finer["points"]).iter().peekable();
        for point in array(&coarser["points"]) {
            add(&mut coarse, &votes(point), 1);
            while let Some(next) = inner.peek()
                && fine.values().sum::<i64>() < coarse.values().sum()
            {
                add(&mut fine, &votes(next), 1);
                inner.next();
            }
            let left = changed(&coarse, &fine);
            assert!(
                left == 0 || left >= self.min,
                "{left} ballots between two steps"
            );
        }
    }

    /// A frame has nothing but what differs, and leads to what a new subscriber gets.
    fn see_frame(&mut self, frame: &Json, before: &BTreeMap<String, Votes>, whole: &Json) {
        for row in array(&frame["locations"]) {
            let code = text(&row["location"]);
            let differs = before.get(&code) != self.rows.get(&code);
            assert!(
                differs || before.is_empty(),
                "{row} is sent anew and is the same"
            );
        }
        self.check_corrections(frame);
        self.client.extend(by_key(&frame["locations"], "location"));
        if !before.is_empty() {
            assert_eq!(self.client, by_key(&whole["locations"], "location"));
        }
        self.client = by_key(&whole["locations"], "location");
        assert_eq!(frame["rest"], whole["rest"]);
    }

    /// A slow subscriber begins anew.
    pub fn begin_slow(&mut self, whole: &Json) {
        self.slow = by_key(&whole["locations"], "location");
    }

    /// The same of a frame of merged changes.
    pub fn see_slow(&mut self, frame: &Json, whole: &Json) {
        self.slow.extend(by_key(&frame["locations"], "location"));
        assert_eq!(self.slow, by_key(&whole["locations"], "location"));
        self.check_corrections(frame);
    }

    fn check_corrections(&self, frame: &Json) {
        for correction in array(&frame["corrections"]) {
            assert!(
                correction["minus"].as_u64() >= Some(self.min),
                "{correction}"
            );
        }
    }

    /// How many ballots the roots that are shown have, and how many there are.
    pub fn shown_of_roots(&self) -> (i64, i64) {
        let roots = self
            .rows
            .iter()
            .filter(|(code, _)| self.parents[*code].is_none());
        let shown = roots.flat_map(|(_, votes)| votes.values()).sum();
        (shown, self.total.values().sum())
    }

    /// How many ballots the points of the series have, and how many there are.
    pub fn shown_of_series(&self) -> (i64, i64) {
        let points = array(&self.points["points"]).iter();
        let shown = points.flat_map(votes).map(|(_, votes)| votes).sum();
        (shown, self.total.values().sum())
    }
}

/// Of two moments the neighbour knows the rows renewed at each, and by the total what the others
/// held together. So it knows by how much the rows have changed that are the same sum at both.
fn subtract(then: &Moment, now: &Moment, all: &BTreeSet<String>, min: u64) {
    let sum = |moment: &Moment, codes: &BTreeSet<String>| {
        let mut sum = Votes::new();
        codes
            .iter()
            .for_each(|code| add(&mut sum, &moment.rows[code], 1));
        sum
    };
    let check = |then: &Votes, now: &Votes, what: &dyn std::fmt::Debug| {
        let changed = changed(then, now);
        assert!(
            changed == 0 || changed >= min,
            "{changed} ballots changed in {what:?}"
        );
    };
    let others = |moment: &Moment, codes: &BTreeSet<String>| {
        let mut left = moment.total.clone();
        add(&mut left, &sum(moment, codes), -1);
        left
    };
    let both: BTreeSet<String> = then.renewed.intersection(&now.renewed).cloned().collect();
    let either: BTreeSet<String> = then.renewed.union(&now.renewed).cloned().collect();
    if either != *all && !both.is_empty() {
        check(
            &others(then, &both),
            &others(now, &both),
            &("all but", &both),
        );
    }
    if either == *all {
        // Each one's others are known row by row at the other moment.
        let late: BTreeSet<String> = all.difference(&then.renewed).cloned().collect();
        check(&others(then, &then.renewed), &sum(now, &late), &late);
        let early: BTreeSet<String> = all.difference(&now.renewed).cloned().collect();
        check(&sum(then, &early), &others(now, &now.renewed), &early);
    }
}

fn votes_of_contest(results: &Json) -> Votes {
    let mut votes = Votes::new();
    for row in array(&results["candidates"]) {
        votes.insert(
            text(&row["candidate_id"]),
            row["votes"].as_i64().expect("a count"),
        );
    }
    votes.insert(String::new(), results["blank"].as_i64().expect("a count"));
    votes.retain(|_, votes| *votes != 0);
    votes
}

fn votes(row: &Json) -> Votes {
    let of = row["votes"].as_object().into_iter().flatten();
    let mut votes: Votes = of
        .map(|(id, votes)| (id.clone(), votes.as_i64().expect("a count")))
        .collect();
    votes.insert(String::new(), row["blank"].as_i64().expect("a count"));
    votes.retain(|_, votes| *votes != 0);
    votes
}

fn add(sum: &mut Votes, votes: &Votes, times: i64) {
    for (id, votes) in votes {
        *sum.entry(id.clone()).or_default() += votes * times;
    }
    sum.retain(|_, votes| *votes != 0);
}

/// At least how many ballots changed between two sums.
fn changed(then: &Votes, now: &Votes) -> u64 {
    let mut difference = now.clone();
    add(&mut difference, then, -1);
    let came: i64 = difference.values().filter(|votes| **votes > 0).sum();
    let went: i64 = difference.values().filter(|votes| **votes < 0).sum();
    came.max(-went).unsigned_abs()
}

fn by_key(rows: &Json, key: &str) -> BTreeMap<String, Json> {
    let rows = array(rows).iter();
    rows.map(|row| (text(&row[key]), row.clone())).collect()
}

fn array(rows: &Json) -> &[Json] {
    rows.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Json) -> String {
    value.as_str().expect("a text").to_string()
}
