//! One message: bytes to a cast, a void, or the reason why it is neither.
//!
//! In come the bytes and the log's time; out goes an event with values as written, the contest
//! still absent where none is named. Knows no register and no other message.

use super::instant;
use super::json::{Text, Value, read_object};

const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const ID_BYTES_MAX: usize = 128;
const CHOICES_MAX: usize = 64;
const AHEAD_MS_MAX: i64 = 5 * 60 * 1000;

const NAMES: [&str; 8] = [
    "type",
    "vote_id",
    "voter_id",
    "contest_id",
    "candidate_id",
    "choices",
    "location",
    "timestamp",
];

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A vote.
    Cast(Cast),
    /// The end of a vote.
    Void {
        /// Absent: the default contest.
        contest: Option<String>,
        /// Whose.
        voter: String,
        /// Which.
        vote: String,
    },
}

/// A vote. Two are the same one if all of it is equal, the contest after the default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cast {
    /// Absent: the default contest.
    pub contest: Option<String>,
    /// Whose.
    pub voter: String,
    /// Which.
    pub vote: String,
    /// In order of preference; none for a blank ballot.
    pub choices: Vec<String>,
    /// Where.
    pub location: Option<String>,
    /// Absent: the message's time in the log.
    pub timestamp: Option<i64>,
}

type Refused = &'static str;

/// Reads a message, or says the first reason to refuse it.
pub fn read(bytes: &[u8], log_time_ms: Option<i64>) -> Result<Event, Refused> {
    let log_time_ms = log_time(log_time_ms);
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err("too_large");
    }
    if bytes.is_empty() {
        return Err("empty");
    }
    // A schema registry's five bytes.
    let json = if bytes[0] == 0 && bytes.len() >= 5 {
        &bytes[5..]
    } else {
        bytes
    };
    let message = Message::read(json).ok_or("malformed_json")?;
    match message.field("type") {
        Value::Null => message.cast(log_time_ms),
        Value::Text(Text::Whole(kind)) if kind == "cast" => message.cast(log_time_ms),
        Value::Text(Text::Whole(kind)) if kind == "void" => message.void(),
        _ => Err("bad_field"),
    }
}

/// A time that the log may have set: after 1970, or it is none.
pub fn log_time(log_time_ms: Option<i64>) -> Option<i64> {
    log_time_ms.filter(|ms| *ms > 0 && instant::is_permitted(*ms))
}

struct Message(Vec<(&'static str, Value)>);

impl Message {
    fn read(bytes: &[u8]) -> Option<Message> {
        let mut known: Vec<(&str, Value)> = Vec::new();
        for (written, value) in read_object(bytes)? {
            let Some(name) = NAMES
                .iter()
                .find(|name| written == Text::Whole(name.to_string()))
            else {
                continue;
            };
            if known.iter().any(|(before, _)| before == name) || value.has_lone_surrogate() {
                return None;
            }
            known.push((name, value));
        }
        Some(Message(known))
    }

    /// A field's value; null and absent are one.
    fn field(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(&Value::Null, |(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        *self.field(name) != Value::Null
    }

    fn void(&self) -> Result<Event, Refused> {
        if !self.has("voter_id") {
            return Err("missing_field");
        }
        let voter = id(self.field("voter_id"))?;
        Ok(Event::Void {
            contest: optional(self.field("contest_id"), id)?,
            vote: optional(self.field("vote_id"), id)?.unwrap_or(voter.clone()),
            voter,
        })
    }

    fn cast(&self, log_time_ms: Option<i64>) -> Result<Event, Refused> {
        let names_someone = self.has("candidate_id") || self.has("choices");
        let has_time = self.has("timestamp") || log_time_ms.is_some();
        if !self.has("voter_id") || !names_someone || !has_time {
            return Err("missing_field");
        }
        let voter = id(self.field("voter_id"))?;
        let cast = Cast {
            contest: optional(self.field("contest_id"), id)?,
            vote: optional(self.field("vote_id"), id)?.unwrap_or(voter.clone()),
            voter,
            choices: self.choices()?,
            location: optional(self.field("location"), id)?,
            timestamp: optional(self.field("timestamp"), timestamp)?,
        };
        match (cast.timestamp, log_time_ms) {
            (Some(at), Some(log)) if at > log + AHEAD_MS_MAX => Err("future_timestamp"),
            _ => Ok(Event::Cast(cast)),
        }
    }

    fn choices(&self) -> Result<Vec<String>, Refused> {
        let (one, list) = (self.field("candidate_id"), self.field("choices"));
        let items = match (one, list) {
            (one, Value::Null) => std::slice::from_ref(one),
            (Value::Null, Value::List(items)) if items.len() <= CHOICES_MAX => items,
            _ => return Err("bad_field"),
        };
        let mut choices = Vec::new();
        for item in items {
            let choice = id(item)?;
            if choices.contains(&choice) {
                return Err("bad_field");
            }
            choices.push(choice);
        }
        Ok(choices)
    }
}

fn optional<T>(
    value: &Value,
    read: fn(&Value) -> Result<T, Refused>,
) -> Result<Option<T>, Refused> {
    match value {
        Value::Null => Ok(None),
        present => read(present).map(Some),
    }
}

fn id(value: &Value) -> Result<String, Refused> {
    match value {
        Value::Text(Text::Whole(text))
            if (1..=ID_BYTES_MAX).contains(&text.len()) && !text.contains('\0') =>
        {
            Ok(text.clone())
        }
        Value::Number(_) => integer(value).map(|number| number.to_string()),
        _ => Err("bad_field"),
    }
}

fn timestamp(value: &Value) -> Result<i64, Refused> {
    match value {
        Value::Number(_) => integer(value).and_then(|ms| {
            let permitted = instant::is_permitted(ms);
            permitted.then_some(ms).ok_or("bad_field")
        }),
        Value::Text(Text::Whole(text)) => match instant::read(text) {
            None => timestamp(&whole_number(text)?),
            Some(ms) => Ok(ms),
        },
        _ => Err("bad_field"),
    }
}

/// A text that is a number as JSON writes it, as that number.
fn whole_number(text: &str) -> Result<Value, Refused> {
    match read_object(format!("{{\"n\":{text}}}").as_bytes()) {
        Some(members) => match <[_; 1]>::try_from(members) {
            Ok([(_, value @ Value::Number(_))]) if !text.contains(' ') => Ok(value),
            _ => Err("bad_field"),
        },
        None => Err("bad_field"),
    }
}

/// A number written as an integer that an i64 holds.
fn integer(value: &Value) -> Result<i64, Refused> {
    match value {
        Value::Number(written) => written.parse().map_err(|_| "bad_field"),
        _ => Err("bad_field"),
    }
}
