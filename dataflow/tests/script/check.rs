//! Expectations: what should be there against what is.
//!
//! In come answers as JSON, from the core or from the oracle; out go sentences about what is not
//! met, none if nothing is.

use serde_json::Value as Json;

use super::Expected;
use crate::difference::equal;

/// The fields that name a row of a list.
const KEYS: [&str; 7] = [
    "candidate_id",
    "voter_id",
    "location",
    "start",
    "at",
    "contest_id",
    "election_id",
];

/// Holds the expectations of one step against its answers; says which do not hold.
pub fn unmet(expected: &[Expected], answers: &Json) -> Vec<String> {
    let mut unmet = Vec::new();
    for line in expected {
        let Expected {
            answer,
            contest,
            path,
            value,
        } = line;
        let found = match answer.as_str() {
            "totals" => find(&answers["totals"], path),
            "outcome" => Some(Json::String(outcome(&answers["totals"]))),
            _ => find(&answers["contests"][contest][answer], path),
        };
        match found {
            Some(found) if equal(value, &found) => {}
            Some(found) => unmet.push(format!(
                "{answer} {contest} {path}: expected {value}, found {found}"
            )),
            None => unmet.push(format!(
                "{answer} {contest} {path}: expected {value}, is missing"
            )),
        }
    }
    unmet
}

/// What became of the only message.
fn outcome(totals: &Json) -> String {
    let lists = [
        &totals["counts"],
        &totals["set_aside_by"],
        &totals["refused"],
    ];
    let named = lists.iter().filter_map(|list| list.as_object()).flatten();
    let mut found: Vec<&str> = named
        .filter(|(name, count)| **count == 1 && *name != "received" && *name != "set_aside")
        .map(|(name, _)| name.as_str())
        .collect();
    if totals["voids"] == 1 {
        found.push("void");
    }
    found.join(" and ")
}

/// Follows `a.b[row].c`; `[*]` gives the list of what follows for every row.
pub fn find(from: &Json, path: &str) -> Option<Json> {
    if path.is_empty() {
        return Some(from.clone());
    }
    if let Some(rest) = path.strip_prefix('.') {
        return find(from, rest);
    }
    if let Some(rest) = path.strip_prefix('[') {
        let (key, rest) = rest.split_once(']')?;
        let rows = from.as_array()?;
        if key == "*" {
            let all: Vec<Json> = rows.iter().filter_map(|row| find(row, rest)).collect();
            return Some(Json::Array(all));
        }
        let row = rows.iter().find(|row| is_row(row, key))?;
        return find(row, rest);
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    match from.get(&path[..end]) {
        Some(value) => find(value, &path[end..]),
        None => None,
    }
}

/// The place of a row, `list[row]`, to change it.
pub fn find_mut<'a>(from: &'a mut Json, path: &str) -> Option<&'a mut Json> {
    let (list, key) = path.trim_end_matches(']').split_once('[')?;
    let rows = from.get_mut(list)?.as_array_mut()?;
    rows.iter_mut().find(|row| is_row(row, key))
}

/// Whether a row has this name, in the first of its fields that can name it.
pub fn is_row(row: &Json, key: &str) -> bool {
    KEYS.iter()
        .find_map(|name| row.get(name))
        .is_some_and(|name| name.as_str() == Some(key))
}
