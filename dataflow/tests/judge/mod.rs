//! The core's answers beside the oracle's: one snapshot against one recount.
//!
//! In comes a snapshot with what it should have counted; out go the differences of every answer
//! that it can give. Never says who is right.

use dataflow::harness;
use dataflow::register::Register;
use dataflow::view::{Parent, Snapshot};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::difference::differences;
use crate::oracle::{self, Log, Settings, instant};

/// The most points that a series is said to have.
const POINTS_MAX: i64 = 2000;

/// The settings as the core takes them.
pub fn settings(settings: Settings) -> harness::Settings {
    harness::Settings {
        lateness_ms: settings.lateness_ms,
        horizon_ms: settings.horizon_ms,
    }
}

/// The next step's messages as the core takes them; adds them to the log.
pub fn append(log: &mut Log, messages: &[(u32, oracle::Message)]) -> Vec<harness::Message> {
    let mut appended = Vec::new();
    for (partition, message) in messages {
        let partition_log = &mut log[*partition as usize];
        let offset = partition_log.len() as i64;
        partition_log.push(message.clone());
        let bytes = message.bytes.clone();
        appended.push((*partition, offset, message.log_time_ms, bytes));
    }
    appended
}

/// Every answer of a snapshot, in the shape of the oracle's.
pub fn answers(snapshot: &Snapshot) -> Json {
    let mut contests = json!({});
    for id in snapshot.contest_ids() {
        let windows = snapshot.windows(&id, 1000).map(json_of);
        let slide_ms = windows.as_ref().ok();
        let slide_ms = slide_ms.and_then(|windows| windows["slide_ms"].as_i64());
        contests[&id] = json!({
            "results": snapshot.results(&id).map(json_of).ok(),
            "locations": snapshot.locations(&id, Parent::Any).map(json_of).ok(),
            "windows": windows.ok(),
            "series": snapshot.series(&id, slide_ms).map(json_of).ok(),
        });
    }
    json!({ "contests": contests, "totals": json_of(snapshot.totals()) })
}

/// What differs between a snapshot and a recount of the log below its offsets.
pub fn compare(
    snapshot: &Snapshot,
    register: &Register,
    settings: Settings,
    log: &Log,
    tick: u64,
) -> Vec<String> {
    let expected = oracle::answers(register, settings, log, tick, &register.version());
    let found = answers(snapshot);
    let mut all = Vec::new();
    // Where the slide would give too many points the core shows a longer step.
    let mut at_its_step = expected.clone();
    for id in snapshot.contest_ids() {
        let found = &found["contests"][&id]["series"];
        let expected = &mut at_its_step["contests"][&id]["series"];
        if let Some(step_ms) = found["step_ms"].as_i64() {
            if step_ms != expected["step_ms"] && !has_many_points(expected) {
                all.push(format!("series of {id}: a step of {step_ms} without need"));
            }
            *expected = by_step(expected, step_ms);
        }
        all.extend(compare_steps(snapshot, &id, &expected.clone()));
        all.extend(compare_children(snapshot, &id));
    }
    all.extend(differences(&at_its_step, &found));
    all
}

/// Whether more steps than a series may have lie between its ends.
fn has_many_points(series: &Json) -> bool {
    let at = |point: Option<&Json>| point.and_then(|point| ms(&point["at"]));
    let points = series["points"].as_array();
    let ends = points.map(|points| (at(points.first()), at(points.last())));
    let Some((Some(first), Some(last))) = ends else {
        return false;
    };
    let step_ms = series["step_ms"].as_i64().unwrap_or(1);
    (last - first) / step_ms >= POINTS_MAX
}

/// A longer step that is asked for, and what is no step.
fn compare_steps(snapshot: &Snapshot, id: &str, series: &Json) -> Vec<String> {
    let slide_ms = series["step_ms"].as_i64().unwrap_or(1);
    let asked = snapshot.series(id, Some(slide_ms * 3)).map(json_of);
    let mut all = match asked {
        Ok(found) => differences(&by_step(series, slide_ms * 3), &found),
        Err(_) => vec!["is refused".to_string()],
    };
    for wrong in [0, -slide_ms, slide_ms * 2 + 1] {
        if snapshot.series(id, Some(wrong)).is_ok() {
            all.push(format!("a step of {wrong} is served"));
        }
    }
    let named = all.into_iter();
    named
        .map(|each| format!("series of {id}: {each}"))
        .collect()
}

/// The children of each location, and the roots, are the rows that say so.
fn compare_children(snapshot: &Snapshot, id: &str) -> Vec<String> {
    let rows = |parent| {
        let answer = snapshot.locations(id, parent).map(json_of);
        answer.map(|answer| answer["locations"].clone())
    };
    let all_rows = rows(Parent::Any).unwrap_or_default();
    let all_rows = all_rows.as_array().cloned().unwrap_or_default();
    let below = |parent: Json| -> Json {
        let below = all_rows.iter().filter(|row| row["parent"] == parent);
        below.cloned().collect()
    };
    let mut all = differences(&below(Json::Null), &rows(Parent::None).unwrap_or_default());
    for row in &all_rows {
        let code = row["location"].as_str().unwrap_or_default();
        let found = rows(Parent::Of(code)).unwrap_or_default();
        all.extend(differences(&below(json!(code)), &found));
    }
    if rows(Parent::Of("never a location")).is_ok() {
        all.push("a location that is none has children".to_string());
    }
    let named = all.into_iter();
    named
        .map(|each| format!("children in {id}: {each}"))
        .collect()
}

/// A series with a longer step.
fn by_step(series: &Json, step_ms: i64) -> Json {
    let mut points: Vec<Json> = Vec::new();
    for point in series["points"].as_array().into_iter().flatten() {
        let start = ms(&point["at"]).map(|at| at.div_euclid(step_ms) * step_ms);
        let at = json!(start.map(instant::write));
        let mut point = point.clone();
        point["at"] = at;
        match points.last_mut().filter(|last| last["at"] == point["at"]) {
            Some(last) => add(last, &point),
            None => points.push(point),
        }
    }
    let mut series = series.clone();
    series["step_ms"] = json!(step_ms);
    series["points"] = json!(points);
    series
}

fn add(into: &mut Json, more: &Json) {
    for field in ["accepted", "blank"] {
        into[field] = json!(into[field].as_u64().unwrap_or(0) + more[field].as_u64().unwrap_or(0));
    }
    for (candidate, votes) in more["votes"].as_object().into_iter().flatten() {
        let before = into["votes"][candidate].as_u64().unwrap_or(0);
        into["votes"][candidate] = json!(before + votes.as_u64().unwrap_or(0));
    }
}

/// An instant that is written; the edges of windows beyond the permitted years are none.
fn ms(at: &Json) -> Option<i64> {
    instant::read(at.as_str()?)
}

fn json_of(answer: impl Serialize) -> Json {
    serde_json::to_value(answer).expect("an answer is plain data")
}
