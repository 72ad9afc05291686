//! Differences between two answers, each with the way to it.
//!
//! In come two JSON values; out go sentences, none if the values are equal.

use serde_json::Value as Json;

/// What differs between two answers, each with the way to it.
pub fn differences(expected: &Json, found: &Json) -> Vec<String> {
    let mut all = Vec::new();
    compare(expected, found, "", &mut all);
    all
}

fn compare(expected: &Json, found: &Json, path: &str, all: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(e), Json::Object(f)) => {
            let more = f.keys().filter(|name| !e.contains_key(*name));
            for name in e.keys().chain(more) {
                let at = format!("{path}.{name}");
                match (e.get(name), f.get(name)) {
                    (Some(e), Some(f)) => compare(e, f, &at, all),
                    (Some(e), None) => all.push(format!("{at}: expected {e}, is missing")),
                    (_, f) => {
                        let f = f.unwrap_or(&Json::Null);
                        all.push(format!("{at}: unexpected, is {f}"));
                    }
                }
            }
        }
        (Json::Array(e), Json::Array(f)) if e.len() == f.len() => {
            for (place, (e, f)) in e.iter().zip(f).enumerate() {
                compare(e, f, &format!("{path}[{place}]"), all);
            }
        }
        _ if equal(expected, found) => {}
        _ => all.push(format!("{path}: expected {expected}, found {found}")),
    }
}

/// Numbers are equal by value, to the last bit; 1 and 1.0 are written by hand alike.
pub fn equal(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::Number(e), Json::Number(f)) => e == f || e.as_f64() == f.as_f64(),
        (Json::Array(e), Json::Array(f)) => {
            e.len() == f.len() && e.iter().zip(f).all(|(e, f)| equal(e, f))
        }
        (Json::Object(e), Json::Object(f)) => {
            e.len() == f.len()
                && e.iter()
                    .all(|(name, e)| f.get(name).is_some_and(|f| equal(e, f)))
        }
        _ => expected == found,
    }
}
