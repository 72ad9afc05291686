//! The bytes of a message: JSON as the event contract has it, written from prepared pieces.
//!
//! Comes in as a planned message; goes out at the end of a batch. Nothing is allocated for it.

use std::ops::Range;

use dataflow::time::format_rfc3339;

use crate::batch::Batch;
use crate::election::Election;

use super::hash::{Purpose, draw, draw_128};
use super::{Form, Options, Planned, malformed};

const DAY_MS: u64 = 86_400_000;
const ID_BYTES: usize = 36;

/// One cast in so many has its timestamp as milliseconds; both are allowed.
const INTEGER_TIMES: u64 = 16;

/// All that messages are put together from.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    seed: u64,
    starts_at_ms: i64,
    /// From local midnight to the start of the evening.
    start_of_day_ms: u64,
    /// `"2013-11-03T` for the evening's day and each that follows it.
    days: Vec<String>,
    /// `-05:00"}` or `Z"}`.
    offset: String,
    /// `","candidate_id":"joly"` for each candidate, and at last the blank choice.
    choices: Vec<String>,
    /// `,"location":"213"` for each unit, then `,"contest_id":"mayor"` if it is named.
    places: Vec<String>,
    /// `,"contest_id":"mayor"` or nothing.
    contest: String,
}

impl Texts {
    pub(crate) fn new(election: &Election, options: &Options) -> Texts {
        let evening = election.evening();
        let offset_ms = i64::from(evening.offset_minutes) * 60_000;
        let local_ms = evening.starts_at_ms + offset_ms;
        let start_of_day_ms = local_ms.rem_euclid(DAY_MS as i64) as u64;
        let last_ms = start_of_day_ms + (evening.ends_at_ms() - evening.starts_at_ms) as u64;
        let days = (0..=last_ms / DAY_MS).map(|day| {
            let midnight_ms = local_ms - start_of_day_ms as i64 + (day * DAY_MS) as i64;
            format!(",\"timestamp\":\"{}", &format_rfc3339(midnight_ms)[..11])
        });
        let candidates = election.register.candidates.iter();
        let choices =
            candidates.map(|row| format!("\",\"candidate_id\":{}", json(&row.candidate_id)));
        let contest = match options.names_contest {
            true => format!(",\"contest_id\":{}", json(&election.contest().contest_id)),
            false => String::new(),
        };
        let units = election.units.iter();
        let places = units.map(|unit| match &unit.location {
            Some(code) => format!(",\"location\":{}{contest}", json(code)),
            None => contest.clone(),
        });
        Texts {
            seed: options.seed,
            starts_at_ms: evening.starts_at_ms,
            start_of_day_ms,
            days: days.collect(),
            offset: offset(evening.offset_minutes),
            choices: choices.chain(["\",\"choices\":[]".to_string()]).collect(),
            places: places.collect(),
            contest,
        }
    }

    /// Adds a message to a batch.
    pub(crate) fn write(&self, planned: &Planned, batch: &mut Batch) {
        if planned.form == Form::Malformed {
            let kind = malformed::kind(planned.voter);
            let ids = [Purpose::Vote, Purpose::Voter].map(|p| self.id(p, !planned.voter));
            let instant = format_rfc3339(self.starts_at_ms + i64::from(planned.cast_ms));
            batch.add(Some(kind.reason), |lines| {
                let start = lines.len();
                kind.write(lines, ids.each_ref().map(text), &instant);
                0..ID_BYTES.min(lines.len() - start)
            });
        } else {
            batch.add(None, |lines| self.write_event(planned, lines));
        }
    }

    fn write_event(&self, planned: &Planned, lines: &mut Vec<u8>) -> Range<usize> {
        let start = lines.len();
        // A voter's second vote has an id of its own.
        let is_second = matches!(planned.form, Form::Extra | Form::Void);
        let vote = planned.voter * 2 + u64::from(is_second);
        lines.extend_from_slice(match planned.form {
            Form::Void => b"{\"type\":\"void\",\"vote_id\":\"",
            _ => b"{\"vote_id\":\"",
        });
        lines.extend_from_slice(&self.id(Purpose::Vote, vote));
        lines.extend_from_slice(b"\",\"voter_id\":\"");
        let key_at = lines.len() - start;
        lines.extend_from_slice(&self.id(Purpose::Voter, planned.voter));
        if planned.form == Form::Void {
            lines.push(b'"');
            lines.extend_from_slice(self.contest.as_bytes());
            lines.push(b'}');
        } else {
            lines.extend_from_slice(self.choices[planned.choice as usize].as_bytes());
            lines.extend_from_slice(self.places[planned.unit as usize].as_bytes());
            self.write_time(planned, vote, lines);
        }
        key_at..key_at + ID_BYTES
    }

    fn write_time(&self, planned: &Planned, vote: u64, lines: &mut Vec<u8>) {
        let spelling = draw(self.seed, Purpose::Spelling, vote);
        // A copy is the same event in either spelling; every second one takes the other.
        let is_flipped = planned.form == Form::Copy && spelling >> 63 == 1;
        if spelling.is_multiple_of(INTEGER_TIMES) != is_flipped {
            let at_ms = self.starts_at_ms + i64::from(planned.cast_ms);
            lines.extend_from_slice(format!(",\"timestamp\":{at_ms}}}").as_bytes());
            return;
        }
        let local_ms = self.start_of_day_ms + u64::from(planned.cast_ms);
        lines.extend_from_slice(self.days[(local_ms / DAY_MS) as usize].as_bytes());
        lines.extend_from_slice(&time_of_day(local_ms % DAY_MS));
        lines.extend_from_slice(self.offset.as_bytes());
    }

    /// A canonical UUID of version 8 (RFC 9562: made by a rule of one's own).
    fn id(&self, purpose: Purpose, number: u64) -> [u8; ID_BYTES] {
        let drawn = draw_128(self.seed, purpose, number);
        let versioned = drawn & !(0xf << 76) | 0x8 << 76;
        let bits = versioned & !(0x3 << 62) | 0x2 << 62;
        let mut id = [b'-'; ID_BYTES];
        let mut at = 0;
        for byte in bits.to_be_bytes() {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            id[at..at + 2].copy_from_slice(&HEX[usize::from(byte)]);
            at += 2;
        }
        id
    }
}

const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// `hh:mm:ss.mmm`.
fn time_of_day(ms: u64) -> [u8; 12] {
    let digit = |value: u64| b'0' + (value % 10) as u8;
    let (second, minute, hour) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    let (s, m) = (second % 60, minute % 60);
    [
        digit(hour / 10),
        digit(hour),
        b':',
        digit(m / 10),
        digit(m),
        b':',
        digit(s / 10),
        digit(s),
        b'.',
        digit(ms / 100),
        digit(ms / 10),
        digit(ms),
    ]
}

fn offset(minutes: i32) -> String {
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    match minutes {
        0 => "Z\"}".to_string(),
        1.. => format!("+{hours:02}:{rest:02}\"}}"),
        _ => format!("-{hours:02}:{rest:02}\"}}"),
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text(id: &[u8; ID_BYTES]) -> &str {
    // An id is made of hexadecimal digits and hyphens.
    std::str::from_utf8(id).unwrap_or_default()
}
