//! The known fields of a message, found but not yet read: JSON bytes in, values out.
//!
//! Nearly every message is flat and without escapes, and a scan finds its fields at once; any
//! other is serde_json's, which checks the syntax and skips what is unknown. Names are compared
//! as bytes, since the name of an unknown field need not even be sound text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Format, Reason, Refusal, scan};

/// The names that an event knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Type,
    VoteId,
    VoterId,
    ContestId,
    CandidateId,
    Choices,
    Location,
    Timestamp,
}

pub(super) const NAMES: usize = 8;

impl Name {
    pub(super) const ALL: [Name; NAMES] = [
        Name::Type,
        Name::VoteId,
        Name::VoterId,
        Name::ContestId,
        Name::CandidateId,
        Name::Choices,
        Name::Location,
        Name::Timestamp,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Name::Type => "type",
            Name::VoteId => "vote_id",
            Name::VoterId => "voter_id",
            Name::ContestId => "contest_id",
            Name::CandidateId => "candidate_id",
            Name::Choices => "choices",
            Name::Location => "location",
            Name::Timestamp => "timestamp",
        }
    }

    pub(super) fn of(name: &[u8]) -> Option<Name> {
        Some(match name {
            b"type" => Name::Type,
            b"vote_id" => Name::VoteId,
            b"voter_id" => Name::VoterId,
            b"contest_id" => Name::ContestId,
            b"candidate_id" => Name::CandidateId,
            b"choices" => Name::Choices,
            b"location" => Name::Location,
            b"timestamp" => Name::Timestamp,
            _ => return None,
        })
    }
}

/// The value of a known field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A text that is written without an escape; it holds no control character.
    Text(&'a str),
    /// Any other JSON value, as it is written.
    Json(&'a str),
}

/// The value of each known field that is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    values: [Option<&'a str>; NAMES],
    /// Which of them are [`Value::Text`]s, by bit.
    texts: u8,
}

impl<'a> Fields<'a> {
    /// Finds the known fields of a message; there are none yet.
    #[inline]
    pub(super) fn read(&mut self, format: &'a Format, bytes: &'a [u8]) -> Result<(), Refusal> {
        let malformed = |detail: String| Refusal::new(Reason::MalformedJson, detail);
        let text = simdutf8::basic::from_utf8(bytes)
            .map_err(|_| malformed("the message is not UTF-8".to_string()))?;
        let read = match format.mapped(text) {
            Some(read) => read,
            None if scan::flat(text, self).is_some() => return Ok(()),
            None => serde_json::from_str(text).map_err(|error| error.to_string()),
        };
        *self =
            read.map_err(|why| malformed(format!("the message is not one JSON object: {why}")))?;
        for json in self.values.iter().flatten() {
            // Where nothing is escaped there is none.
            if has_lone_surrogate(json.as_bytes()) {
                return Err(malformed(
                    "a known field holds a lone surrogate".to_string(),
                ));
            }
        }
        Ok(())
    }

    /// The value of a field; `None` if it is absent or null.
    pub(super) fn present(&self, name: Name) -> Option<Value<'a>> {
        let value = self.values[name as usize]?;
        if self.texts & 1 << name as u8 != 0 {
            Some(Value::Text(value))
        } else {
            (value != "null").then_some(Value::Json(value))
        }
    }

    /// Notes a field; `false` if it is there already.
    pub(super) fn note(&mut self, name: Name, value: Value<'a>) -> bool {
        let value = match value {
            Value::Text(text) => {
                self.texts |= 1 << name as u8;
                text
            }
            Value::Json(json) => json,
        };
        self.values[name as usize].replace(value).is_none()
    }
}

impl<'a> Value<'a> {
    /// A sound JSON value, as it is written.
    pub(super) fn of(json: &'a str) -> Value<'a> {
        let inner = json.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        match inner {
            Some(text) if !text.as_bytes().contains(&b'\\') => Value::Text(text),
            _ => Value::Json(json),
        }
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields<'de>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(MaybeKnown(name)) = map.next_key()? {
                    let Some(name) = name else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let value: &RawValue = map.next_value()?;
                    if !fields.note(name, Value::of(value.get())) {
                        let twice = format_args!("'{}' is there twice", name.as_str());
                        return Err(A::Error::custom(twice));
                    }
                }
                Ok(fields)
            }
        }
        from.deserialize_map(Object)
    }
}

/// A name: a known one, or any other.
struct MaybeKnown(Option<Name>);

impl<'de> Deserialize<'de> for MaybeKnown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<MaybeKnown, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = MaybeKnown;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<MaybeKnown, E> {
                Ok(MaybeKnown(Name::of(name)))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

/// Whether a sound JSON value holds an escape of half a surrogate pair.
fn has_lone_surrogate(json: &[u8]) -> bool {
    let unit = |at: usize| -> Option<u16> {
        let hex = std::str::from_utf8(json.get(at..at + 4)?).ok()?;
        u16::from_str_radix(hex, 16).ok()
    };
    let mut at = 0;
    while at < json.len() {
        if json[at] != b'\\' {
            at += 1;
        } else if json.get(at + 1) != Some(&b'u') {
            at += 2;
        } else {
            match unit(at + 2) {
                Some(0xD800..=0xDBFF) => {
                    let follows = json.get(at + 6..at + 8) == Some(br"\u");
                    if !follows || !matches!(unit(at + 8), Some(0xDC00..=0xDFFF)) {
                        return true;
                    }
                    at += 12;
                }
                Some(0xDC00..=0xDFFF) => return true,
                _ => at += 6,
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = Vec<u8>> {
        let value = prop_oneof![
            4 => "\"[a-z0-9-]{0,12}\"",
            1 => "\"[a-zé\u{0}-\u{20}\\\\\"]{0,6}\"",
            2 => "-?[0-9]{1,20}",
            1 => "-?0?[0-9]{0,3}(\\.[0-9]?)?([eE][+-]?[0-9]?)?",
            1 => Just("null".to_string()),
            1 => Just("true".to_string()),
            1 => "[\\[{][\\]}\",:a1 ]{0,6}",
        ];
        let name = prop_oneof![
            Just("vote_id"),
            Just("voter_id"),
            Just("contest_id"),
            Just("candidate_id"),
            Just("choices"),
            Just("location"),
            Just("timestamp"),
            Just("type"),
            Just("other"),
            Just(""),
            Just("vote\\u005fid"),
        ];
        let space = prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\n")];
        let field = (name, value, space).prop_map(|(name, value, space)| {
            format!("{space}\"{name}\"{space}:{space}{value}{space}")
        });
        let fields = proptest::collection::vec(field, 0..7);
        let change =
            proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), any::<u8>()));
        (fields, change, "[ ,}x]{0,2}").prop_map(|(fields, change, end)| {
            let end = if end.len() == 2 { end } else { String::new() };
            let mut bytes = format!("{{{}}}{end}", fields.join(",")).into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_scan_finds_what_the_whole_reading_finds(bytes in sample()) {
            let mut found = Fields::default();
            if let Ok(text) = std::str::from_utf8(&bytes)
                && scan::flat(text, &mut found).is_some()
            {
                let whole: Result<Fields<'_>, _> = serde_json::from_str(text);
                prop_assert_eq!(Some(found), whole.ok(), "{}", text);
            }
        }
    }

    #[test]
    fn a_usual_message_is_scanned() {
        for text in [
            r#"{"vote_id":"b1","voter_id":"7f","candidate_id":"coderre","location":"213","timestamp":"2013-11-03T14:05:09.123-05:00"}"#,
            r#"{ "vote_id": "b1", "voter_id": "é", "candidate_id": 5, "timestamp": -12 , "more": null } "#,
            r#"{"type":"void","vote_id":"b1","voter_id":"7f"}"#,
            "{}",
        ] {
            let mut found = Fields::default();
            scan::flat(text, &mut found).expect(text);
            assert_eq!(found, serde_json::from_str(text).unwrap());
        }
    }
}
