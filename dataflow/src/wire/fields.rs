//! The known fields of a message, found but not yet read: JSON bytes in, raw values out.
//!
//! serde_json checks the syntax and skips what is unknown; names are compared as bytes, since
//! the name of an unknown field need not even be sound text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Reason, Refusal};

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

const NAMES: usize = 8;

impl Name {
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

    fn of(name: &[u8]) -> Option<Name> {
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

/// The raw JSON value of each known field that is there.
pub(super) struct Fields<'a>([Option<&'a str>; NAMES]);

impl<'a> Fields<'a> {
    /// Finds the known fields of a message.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Fields<'a>, Refusal> {
        let malformed = |detail: String| Refusal::new(Reason::MalformedJson, detail);
        let text = simdutf8::basic::from_utf8(bytes)
            .map_err(|_| malformed("the message is not UTF-8".to_string()))?;
        let fields: Fields<'a> = serde_json::from_str(text)
            .map_err(|error| malformed(format!("the message is not one JSON object: {error}")))?;
        for value in fields.0.iter().flatten() {
            if value.as_bytes().contains(&b'\\') && has_lone_surrogate(value.as_bytes()) {
                return Err(malformed(
                    "a known field holds a lone surrogate".to_string(),
                ));
            }
        }
        Ok(fields)
    }

    /// The raw value of a field; `None` if it is absent or null.
    pub(super) fn present(&self, name: Name) -> Option<&'a str> {
        self.0[name as usize].filter(|value| *value != "null")
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
                let mut fields = Fields([None; NAMES]);
                while let Some(MaybeKnown(name)) = map.next_key()? {
                    let Some(name) = name else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let value: &RawValue = map.next_value()?;
                    if fields.0[name as usize].replace(value.get()).is_some() {
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
