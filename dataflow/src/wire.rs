//! The only room that knows the bytes of a message: bytes in, an event or a refusal out.
//!
//! Strict where counting needs it (one JSON object, no known name twice, ids and instants in
//! their shapes), blind to everything else: unknown fields are skipped, however deep. Borrows
//! from the message; allocates only for escaped text. Never asks what time it is: the future is
//! measured against the log's own time.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use crate::register::{ID_BYTES_MAX, is_id};
use crate::time::{self, INSTANT_MS_MAX, INSTANT_MS_MIN, Written};
use fields::{Fields, Name, Value};

pub use format::{FieldMap, Format, WrittenSource, time_zone, time_zone_data};

mod fields;
mod format;
mod scan;

/// The longest message in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What a schema registry's client writes before each message: a zero and the schema's number.
const REGISTRY_BYTES: usize = 5;

/// The most choices of a cast.
pub const CHOICES_MAX: usize = 64;

/// How far after the log's time a timestamp may lie, in milliseconds.
pub const FUTURE_MS_MAX: i64 = 5 * 60 * 1000;

/// A valid event, borrowed from its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A vote as it arrived.
    Cast(Cast<'a>),
    /// Voids every cast of a voter with a vote id in a contest.
    Void(Void<'a>),
}

/// A vote as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast<'a> {
    /// Who votes.
    pub voter_id: Cow<'a, str>,
    /// The vote's id; where there is none, the voter's.
    pub vote_id: Cow<'a, str>,
    /// The contest; absent: the default one.
    pub contest_id: Option<Cow<'a, str>>,
    /// In order of preference; empty: a blank ballot.
    pub choices: Choices<'a>,
    /// The leaf location.
    pub location: Option<Cow<'a, str>>,
    /// When it was cast, in milliseconds since the Unix epoch; absent: the message's log time.
    pub timestamp_ms: Option<i64>,
}

/// The choices of a cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choices<'a> {
    /// A blank ballot.
    Blank,
    /// One candidate.
    One(Cow<'a, str>),
    /// Two or more, in order of preference.
    Many(Vec<Cow<'a, str>>),
}

/// A void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void<'a> {
    /// Whose vote.
    pub voter_id: Cow<'a, str>,
    /// Which vote; where none is named, the one whose id is the voter's.
    pub vote_id: Cow<'a, str>,
    /// In which contest; absent: the default one.
    pub contest_id: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// The voter, by whom messages are keyed.
    pub fn voter_id(&self) -> &str {
        match self {
            Event::Cast(cast) => &cast.voter_id,
            Event::Void(void) => &void.voter_id,
        }
    }
}

/// Why a message is refused, in the order in which the reasons are looked for, but that a `type`
/// that is neither is a bad field before a field can be missing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Reason {
    /// Over [`MESSAGE_BYTES_MAX`].
    TooLarge,
    /// Not one JSON object in UTF-8, or a known name twice, or a lone surrogate in a known field.
    MalformedJson,
    /// A message without a body, such as those that delete in compacted topics.
    Empty,
    /// A field that the event needs is absent.
    MissingField,
    /// A field is not of its form.
    BadField,
    /// More than [`FUTURE_MS_MAX`] after the message's time in the log.
    FutureTimestamp,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 6] = [
        Reason::TooLarge,
        Reason::MalformedJson,
        Reason::Empty,
        Reason::MissingField,
        Reason::BadField,
        Reason::FutureTimestamp,
    ];

    /// The word for it in answers and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::MalformedJson => "malformed_json",
            Reason::Empty => "empty",
            Reason::MissingField => "missing_field",
            Reason::BadField => "bad_field",
            Reason::FutureTimestamp => "future_timestamp",
        }
    }
}

/// A refused message: the reason, and a sentence for its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first reason that holds.
    pub reason: Reason,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Refusal {
    fn new(reason: Reason, detail: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            detail: detail.into(),
        }
    }

    fn bad(name: &str, form: &str) -> Refusal {
        Refusal::new(Reason::BadField, format!("'{name}' is not {form}"))
    }
}

impl Format {
    /// Reads a message. `log_time_ms` is the message's time in the log, where the log has one.
    ///
    /// Inlined, as is what it calls, so that an event is made where it is wanted and never moved.
    #[inline]
    pub fn decode<'a>(
        &'a self,
        bytes: &'a [u8],
        log_time_ms: Option<i64>,
    ) -> Result<Event<'a>, Refusal> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            let detail = format!(
                "the message has {} bytes; at most {MESSAGE_BYTES_MAX} are read",
                bytes.len()
            );
            return Err(Refusal::new(Reason::TooLarge, detail));
        }
        if bytes.is_empty() {
            return Err(Refusal::new(Reason::Empty, "the message has no body"));
        }
        let mut fields = Fields::default();
        fields.read(self, after_registry(bytes))?;
        let zone = self.zone();
        match fields.present(Name::Type) {
            None => decode_cast(&fields, zone, log_time_ms).map(Event::Cast),
            Some(value) => match text(value).as_deref() {
                Some("cast") => decode_cast(&fields, zone, log_time_ms).map(Event::Cast),
                Some("void") => decode_void(&fields).map(Event::Void),
                _ => Err(Refusal::bad("type", "\"cast\" or \"void\"")),
            },
        }
    }
}

/// A message without what a schema registry's client writes before it.
fn after_registry(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0, ..] => bytes.get(REGISTRY_BYTES..).unwrap_or(bytes),
        _ => bytes,
    }
}

fn decode_void<'a>(fields: &Fields<'a>) -> Result<Void<'a>, Refusal> {
    let voter_id = id(required(fields, Name::VoterId)?, "voter_id")?;
    Ok(Void {
        vote_id: vote_id(fields, &voter_id)?,
        voter_id,
        contest_id: optional_id(fields, Name::ContestId, "contest_id")?,
    })
}

#[inline]
fn decode_cast<'a>(
    fields: &Fields<'a>,
    zone: Option<&TimeZone>,
    log_time_ms: Option<i64>,
) -> Result<Cast<'a>, Refusal> {
    let voter_id = required(fields, Name::VoterId)?;
    let (candidate_id, choices) = (
        fields.present(Name::CandidateId),
        fields.present(Name::Choices),
    );
    if candidate_id.is_none() && choices.is_none() {
        let detail = "neither 'candidate_id' nor 'choices' is there; a cast has one of them";
        return Err(Refusal::new(Reason::MissingField, detail));
    }
    let timestamp = fields.present(Name::Timestamp);
    if timestamp.is_none() && log_time_ms.is_none() {
        let detail = "'timestamp' is missing, and the log keeps no time that could stand for it";
        return Err(Refusal::new(Reason::MissingField, detail));
    }
    let voter_id = id(voter_id, "voter_id")?;
    let cast = Cast {
        vote_id: vote_id(fields, &voter_id)?,
        voter_id,
        contest_id: optional_id(fields, Name::ContestId, "contest_id")?,
        choices: match (candidate_id, choices) {
            (Some(one), None) => Choices::One(id(one, "candidate_id")?),
            (None, Some(list)) => choice_list(list)?,
            _ => {
                return Err(Refusal::new(
                    Reason::BadField,
                    "'candidate_id' and 'choices' are both there; a cast has one of them",
                ));
            }
        },
        location: optional_id(fields, Name::Location, "location")?,
        timestamp_ms: timestamp.map(|value| instant(value, zone)).transpose()?,
    };
    if let (Some(timestamp_ms), Some(log_time_ms)) = (cast.timestamp_ms, log_time_ms)
        && timestamp_ms > log_time_ms.saturating_add(FUTURE_MS_MAX)
    {
        let detail = format!(
            "'timestamp' is {} ms after the message's time in the log; at most {FUTURE_MS_MAX} \
             are allowed",
            timestamp_ms - log_time_ms
        );
        return Err(Refusal::new(Reason::FutureTimestamp, detail));
    }
    Ok(cast)
}

fn required<'a>(fields: &Fields<'a>, name: Name) -> Result<Value<'a>, Refusal> {
    fields.present(name).ok_or_else(|| {
        Refusal::new(
            Reason::MissingField,
            format!("'{}' is missing", name.as_str()),
        )
    })
}

/// The vote's id, or its voter's.
fn vote_id<'a>(fields: &Fields<'a>, voter_id: &Cow<'a, str>) -> Result<Cow<'a, str>, Refusal> {
    let own = optional_id(fields, Name::VoteId, "vote_id")?;
    Ok(own.unwrap_or_else(|| voter_id.clone()))
}

fn optional_id<'a>(
    fields: &Fields<'a>,
    name: Name,
    called: &str,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    fields
        .present(name)
        .map(|value| id(value, called))
        .transpose()
}

/// A text, or an integer that stands for its decimal text.
fn id<'a>(value: Value<'a>, name: &str) -> Result<Cow<'a, str>, Refusal> {
    let id = match value {
        // It holds no control character, so no U+0000.
        Value::Text(text) if (1..=ID_BYTES_MAX).contains(&text.len()) => Some(Cow::Borrowed(text)),
        Value::Json(json) if !json.starts_with('"') => {
            // "-0" is the integer 0.
            integer(json).map(|number| Cow::Borrowed(if number == 0 { "0" } else { json }))
        }
        _ => text(value).filter(|text| is_id(text)),
    };
    id.ok_or_else(|| Refusal::bad(name, ID_FORM))
}

const ID_FORM: &str = "an id: a text of 1 to 128 bytes without U+0000, or an integer of 64 bits, written without a point";

fn choice_list(value: Value<'_>) -> Result<Choices<'_>, Refusal> {
    let form = format!("a list of at most {CHOICES_MAX} candidates, none twice");
    let Value::Json(json) = value else {
        return Err(Refusal::bad("choices", &form));
    };
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
        return Err(Refusal::bad("choices", &form));
    };
    if items.len() > CHOICES_MAX {
        return Err(Refusal::bad("choices", &form));
    }
    let mut list: Vec<Cow<'_, str>> = Vec::with_capacity(items.len());
    for item in items {
        let choice = id(Value::of(item.get()), "choices")?;
        if list.contains(&choice) {
            return Err(Refusal::bad("choices", &form));
        }
        list.push(choice);
    }
    Ok(match list.len() {
        0 => Choices::Blank,
        1 => Choices::One(list.remove(0)),
        _ => Choices::Many(list),
    })
}

fn instant(value: Value<'_>, zone: Option<&TimeZone>) -> Result<i64, Refusal> {
    let in_range = |ms: &i64| (INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(ms);
    let written = match (text(value), value) {
        (Some(text), _) => match time::read(text.as_bytes()) {
            None => integer(&text).filter(in_range).map(Written::Instant),
            written => written,
        },
        (None, Value::Json(json)) => integer(json).filter(in_range).map(Written::Instant),
        (None, Value::Text(_)) => None,
    };
    let ms = match (written, zone) {
        (Some(Written::Instant(ms)), _) => Some(ms),
        (Some(Written::Local(local_ms)), Some(zone)) => time::local_to_instant(local_ms, zone),
        (Some(Written::Local(_)), None) => return Err(Refusal::bad("timestamp", ZONE_FORM)),
        (None, _) => None,
    };
    ms.ok_or_else(|| Refusal::bad("timestamp", INSTANT_FORM))
}

const ZONE_FORM: &str = "an instant, since it names no zone: write Z or an offset after it, or \
    start the service with --time-zone";

const INSTANT_FORM: &str = "an instant of the years 0001 to 9999: milliseconds since 1970 as an \
    integer, or RFC 3339 like 2013-11-03T14:05:09.123-05:00";

/// A text, unescaped; `None` for any other value.
fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        // Its syntax and surrogates are known to be sound, so it is a text or something else.
        Value::Json(json) if json.starts_with('"') => {
            serde_json::from_str::<String>(json).ok().map(Cow::Owned)
        }
        Value::Json(_) => None,
    }
}

/// The value of an integer of 64 bits, as JSON writes it.
fn integer(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_integer = match digits.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_integer.then(|| value.parse().ok())?
}
