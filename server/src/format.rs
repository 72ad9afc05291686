//! How messages are read, from the flags: `--map` and `--time-zone` in, a [`Format`] out, and
//! what tells it from others, which the checkpoints keep.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow::wire::{FieldMap, Format, WrittenSource, time_zone, time_zone_data};
use serde::{Deserialize, Serialize};

/// How messages are read, and what of it may not change while checkpoints are gone on from.
#[derive(Clone, Debug, Default)]
pub struct MessageFormat {
    /// For whoever reads messages.
    pub format: Arc<Format>,
    /// What tells it from others.
    pub identity: FormatIdentity,
}

/// What tells one way to read messages from others; empty for the event contract's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatIdentity {
    /// What `--map` says, as JSON in the order of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// The zone of times that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Which data of time zones was built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone_data: Option<String>,
}

/// A flag that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file cannot be read.
    #[error("could not read {}, which --map names: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no map.
    #[error(
        "{} is no map of fields: {why}. Write a line for each field that is not at its own name, as \
         voter_id = \"voter.id\", or contest_id = {{ constant = \"mayor\" }}", .path.display()
    )]
    Map {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No such zone.
    #[error(
        "there is no time zone '{0}' in the data that is built in ({data}): write a name of the \
         IANA database, such as America/Montreal", data = time_zone_data()
    )]
    TimeZone(String),
}

impl MessageFormat {
    /// What the flags say.
    pub fn read(map: Option<&Path>, zone: Option<&str>) -> Result<MessageFormat, FormatError> {
        let (mut identity, mut fields) = (FormatIdentity::default(), None);
        if let Some(path) = map {
            let text = fs::read_to_string(path).map_err(|error| FormatError::File {
                path: path.to_path_buf(),
                error,
            })?;
            let wrong = |why| FormatError::Map {
                path: path.to_path_buf(),
                why,
            };
            let (map, said) = parse(&text).map_err(wrong)?;
            (fields, identity.map) = (Some(map), Some(said));
        }
        let mut tz = None;
        if let Some(name) = zone {
            tz = Some(time_zone(name).ok_or_else(|| FormatError::TimeZone(name.to_string()))?);
            identity.time_zone = Some(name.to_string());
            identity.time_zone_data = Some(time_zone_data().to_string());
        }
        let format = Arc::new(Format::new(fields, tz));
        Ok(MessageFormat { format, identity })
    }
}

impl FormatIdentity {
    /// Whether messages are read in the same way, but for what the zones' data says.
    pub fn reads_like(&self, other: &FormatIdentity) -> bool {
        (&self.map, &self.time_zone) == (&other.map, &other.time_zone)
    }
}

impl std::fmt::Display for FormatIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.time_zone {
            Some(zone) => write!(f, "--time-zone {zone}")?,
            None => write!(f, "no --time-zone")?,
        }
        match &self.map {
            Some(map) => write!(f, " and a --map of {map}"),
            None => write!(f, " and no --map"),
        }
    }
}

/// The map that a text in TOML describes, and the same as JSON in the order of its fields.
fn parse(text: &str) -> Result<(FieldMap, String), String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let place = error
            .span()
            .map(|span| text[..span.start.min(text.len())].lines().count());
        let line = place.map_or(String::new(), |line| format!("line {}: ", line.max(1)));
        format!("{line}{}", error.message())
    })?;
    let mut said = BTreeMap::new();
    let mut sources = Vec::new();
    for (name, value) in table {
        let source = source(value).map_err(|why| format!("'{name}': {why}"))?;
        let json = match &source {
            WrittenSource::Paths(paths) => serde_json::json!(paths),
            WrittenSource::Constant(value) => serde_json::json!({"constant": value}),
        };
        said.insert(name.clone(), json);
        sources.push((name, source));
    }
    let said = serde_json::to_string(&said).expect("texts and numbers");
    Ok((FieldMap::new(sources)?, said))
}

/// Where a field is: a path, a list of paths, or `{ constant = … }`.
fn source(value: toml::Value) -> Result<WrittenSource, String> {
    let path = |value: toml::Value| match value {
        toml::Value::String(path) => Ok(path),
        _ => Err("it is neither a path, a list of paths nor { constant = … }".to_string()),
    };
    match value {
        toml::Value::Array(list) => {
            let paths: Result<_, _> = list.into_iter().map(path).collect();
            Ok(WrittenSource::Paths(paths?))
        }
        toml::Value::Table(mut table) if table.len() == 1 && table.contains_key("constant") => {
            match table.remove("constant") {
                Some(toml::Value::String(text)) => Ok(WrittenSource::Constant(text.into())),
                Some(toml::Value::Integer(number)) => Ok(WrittenSource::Constant(number.into())),
                _ => Err("a constant is a text or an integer".to_string()),
            }
        }
        other => Ok(WrittenSource::Paths(vec![path(other)?])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_map_means_nothing() {
        let (_, one) = parse("voter_id = 'a.b'\ncontest_id = { constant = 'm' }").expect("a map");
        let (_, other) = parse("contest_id = {constant = 'm'}\nvoter_id = ['a.b']").expect("a map");
        assert_eq!(one, other);
        assert_eq!(one, r#"{"contest_id":{"constant":"m"},"voter_id":["a.b"]}"#);
    }

    #[test]
    fn what_is_no_map_is_said() {
        for (text, word) in [
            ("voter_id = 5", "'voter_id'"),
            ("voter = 'a'", "no field of an event"),
            ("voter_id = 'a'\nvote_id =", "line 2"),
            ("contest_id = { value = 'm' }", "'contest_id'"),
            ("contest_id = { constant = 1.5 }", "a text or an integer"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(word), "{text}: {why}");
        }
    }

    #[test]
    fn a_zone_is_one_of_the_database() {
        assert!(MessageFormat::read(None, Some("America/Montreal")).is_ok());
        let error = MessageFormat::read(None, Some("Montreal")).expect_err("no such zone");
        assert!(error.to_string().contains("America/Montreal"), "{error}");
    }
}
