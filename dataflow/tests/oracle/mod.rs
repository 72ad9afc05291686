//! The oracle: a naive recount of a log under a register, as the answers would show it.
//!
//! In come the messages below the offsets of a snapshot, its register as plain data and the
//! settings; out go the answers of every contest and the totals, as JSON. It is a plain loop,
//! made new for every question, that shares no code with the dataflow: it has its own JSON, its
//! own calendar, its own reading of the contract. Never fast, never incremental.

use std::collections::BTreeMap;

use dataflow::register::Register;
use serde_json::{Value as Json, json};

pub mod instant;
pub mod json;
pub mod message;
pub mod recount;
mod view;

/// What the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far behind its contest's watermark is.
    pub lateness_ms: i64,
    /// How far behind the watermark windows are served.
    pub horizon_ms: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lateness_ms: 60_000,
            horizon_ms: 86_400_000,
        }
    }
}

/// One message of a partition; its offset is its place, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When the log took it.
    pub log_time_ms: Option<i64>,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The messages of every partition, in their order.
pub type Log = Vec<Vec<Message>>;

/// Everything that a snapshot answers, counted anew: `totals`, and for each contest id
/// `results`, `locations` (all), `windows` (the newest 1,000) and `series` (by the slide).
///
/// The register's version is a hash that this does not know: `register_version` is taken as given.
pub fn answers(
    register: &Register,
    settings: Settings,
    log: &Log,
    tick: u64,
    register_version: &str,
) -> Json {
    let recount = recount::recount(register, settings.lateness_ms, log);
    let offsets: BTreeMap<String, usize> = log
        .iter()
        .enumerate()
        .map(|(partition, messages)| (format!("votes/{partition}"), messages.len()))
        .collect();
    let mut contests = BTreeMap::new();
    for contest in &register.contests {
        let view = view::ContestView::of(register, contest, settings, &recount);
        let mut answers = view.answers();
        for answer in answers.values_mut() {
            let head = json!({
                "tick": tick,
                "as_of": instant::write(tick as i64),
                "register_version": register_version,
                "contest_id": contest.contest_id,
            });
            merge(answer, head);
        }
        if let Some(results) = answers.get_mut("results") {
            merge(results, json!({ "offsets": offsets }));
        }
        contests.insert(contest.contest_id.clone(), answers);
    }
    json!({ "contests": contests, "totals": view::totals(&recount) })
}

fn merge(into: &mut Json, more: Json) {
    if let (Json::Object(into), Json::Object(more)) = (into, more) {
        into.extend(more);
    }
}
