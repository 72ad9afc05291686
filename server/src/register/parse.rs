//! The forms of a register file: TOML and JSON text in, a register out.
//!
//! Names that a table does not have are said, not used: a mistyped name would else be a silence.

use std::path::Path;

use dataflow::register::Register;
use serde_json::{Map, Value};

use super::RegisterError;

/// The fields of each list, as the tables have them.
const FIELDS: [(&str, &[&str]); 5] = [
    (
        "elections",
        &["election_id", "name", "date", "test", "roll", "geojson_url"],
    ),
    (
        "contests",
        &[
            "contest_id",
            "election_id",
            "name",
            "is_default",
            "kind",
            "revote",
            "window_ms",
            "slide_ms",
            "opens_at",
            "closes_at",
        ],
    ),
    (
        "candidates",
        &[
            "contest_id",
            "candidate_id",
            "candidate_name",
            "party",
            "biography",
            "campaign_promises",
            "photo_url",
            "color",
            "position",
            "withdrawn_at",
        ],
    ),
    (
        "locations",
        &["election_id", "location", "name", "parent", "registered"],
    ),
    (
        "voters",
        &[
            "voter_id",
            "election_id",
            "name",
            "email",
            "registration_date",
            "location",
        ],
    ),
];

/// Reads the text of a register file; its name tells the form.
pub(super) fn parse(path: &Path, text: &str) -> Result<Register, RegisterError> {
    let fail = |reason: String| RegisterError::Parse {
        path: path.to_path_buf(),
        reason,
    };
    let value: Value = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => {
            let table: toml::Table = text.parse().map_err(|error| fail(format!("{error}")))?;
            from_toml(toml::Value::Table(table))
        }
        Some("json") => serde_json::from_str(text).map_err(|error| fail(error.to_string()))?,
        _ => return Err(fail("its name must end in .toml or .json".to_string())),
    };
    let Value::Object(lists) = &value else {
        return Err(fail("it is not an object of lists".to_string()));
    };
    for unknown in unknown_fields(lists) {
        tracing::warn!(register = %path.display(), "'{unknown}' is not known and is ignored");
    }
    serde_path(value).map_err(fail)
}

/// Reads the rows one by one, so that an error says which row it is about.
fn serde_path(value: Value) -> Result<Register, String> {
    for (list, _) in FIELDS {
        let Some(rows) = value.get(list) else {
            continue;
        };
        let Value::Array(rows) = rows else {
            return Err(format!("'{list}' is not a list"));
        };
        for (at, row) in rows.iter().enumerate() {
            let one = serde_json::json!({ list: [row] });
            if let Err(error) = serde_json::from_value::<Register>(one) {
                return Err(format!("{list}[{at}]: {error}"));
            }
        }
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn unknown_fields(lists: &Map<String, Value>) -> Vec<String> {
    let mut unknown = Vec::new();
    for (list, rows) in lists {
        let Some((_, fields)) = FIELDS.iter().find(|(name, _)| name == list) else {
            unknown.push(list.clone());
            continue;
        };
        let rows = rows
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object);
        for field in rows.flat_map(Map::keys) {
            let path = format!("{list}.{field}");
            if !fields.contains(&field.as_str()) && !unknown.contains(&path) {
                unknown.push(path);
            }
        }
    }
    unknown
}

/// TOML has dates and times of its own; a register takes them as their text.
fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(instant) => Value::String(instant.to_string()),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => {
            let fields = table
                .into_iter()
                .map(|(name, value)| (name, from_toml(value)));
            Value::Object(fields.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
        [[elections]]
        election_id = "city"
        date = 2013-11-03
        [[contests]]
        contest_id = "mayor"
        election_id = "city"
        opens_at = 2013-11-03T08:00:00-05:00
        closes_at = "2013-11-03T20:00:00-05:00"
        [[candidates]]
        contest_id = "mayor"
        candidate_id = 5
    "#;

    #[test]
    fn toml_and_json_are_the_same_register() {
        let toml = parse(Path::new("r.toml"), TOML).expect("it is sound");
        let json = serde_json::to_string(&toml).expect("it is plain data");
        assert_eq!(
            parse(Path::new("r.json"), &json).expect("it is sound"),
            toml
        );
        assert_eq!(
            toml.contests[0].opens_at.map(|at| at.0),
            Some(1_383_483_600_000)
        );
        assert_eq!(toml.contests[0].window_ms, 10_000);
        assert_eq!(toml.candidates[0].candidate_id, "5");
        assert_eq!(toml.elections[0].date.as_deref(), Some("2013-11-03"));
    }

    #[test]
    fn an_error_says_where() {
        let error = |name: &str, text: &str| {
            parse(Path::new(name), text)
                .expect_err("it is not sound")
                .to_string()
        };
        assert!(error("r.json", r#"{"contests":[{"contest_id":"c"}]}"#).contains("contests[0]"));
        assert!(error("r.json", r#"{"contests":{}}"#).contains("'contests' is not a list"));
        assert!(error("r.json", "[]").contains("not an object"));
        assert!(error("r.yaml", "").contains(".toml or .json"));
        assert!(error("r.toml", "elections = [").contains("r.toml"));
    }
}
