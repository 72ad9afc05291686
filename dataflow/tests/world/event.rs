//! Messages: votes and voids of a small universe, copies, and what is hard to read.
//!
//! In come small numbers; out go bytes with log times. A thing is written in as many ways as the
//! contract permits, and in some that it does not.

use proptest::prelude::*;

use super::Mix;
use super::edit::pick;
use crate::oracle::{Message, instant};

/// Contests; the register never knows the last one.
pub const CONTESTS: &[&str] = &["m", "n", "o"];
/// Candidates; `7` is one that only edits bring.
pub const CANDIDATES: &[&str] = &["a", "b", "5", "7"];
/// Locations.
pub const LOCATIONS: &[&str] = &["x", "y", "z", "top", "w"];
/// Voters.
pub const VOTERS: &[&str] = &[
    "ada",
    "bob",
    "cyd",
    "é",
    "7f9c2ba4-e88f-427d-8b8c-0d1f3b5a6c7e",
    "eve",
    "fay",
];
/// Vote ids: texts and UUIDs, among them ids of voters; an empty one stands for none.
const VOTES: &[&str] = &[
    "1",
    "",
    "ada",
    "7f9c2ba4-e88f-427d-8b8c-0d1f3b5a6c7e",
    "b1946ac9-2492-4d23-8f1c-0c2a1f3b8e77",
    "b1946ac9-2492-4d23-8f1c-0c2a1f3b8e78",
    "b1946ac9",
    "B1946AC9-2492-4D23-8F1C-0C2A1F3B8E77",
    "~",
];

/// An instant on a grid that crosses cells, windows and 1970.
pub fn grid_ms(number: usize) -> i64 {
    number as i64 * 1100 - 8800
}

/// A message as it is to be written.
#[derive(Clone, Debug)]
pub struct Written {
    log_time: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Cast(Vote, usize),
    Void(Vote, usize),
    /// An earlier message again, with a log time of its own.
    Copy(usize),
    /// A cast with something done to its bytes.
    Damaged(Vote, usize, usize),
    /// Fields and values, any with any.
    Fields(Vec<(usize, usize)>),
    Bytes(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Vote {
    contest: usize,
    voter: usize,
    vote: usize,
    choices: Vec<usize>,
    location: usize,
    time: usize,
}

/// Any message.
pub fn events(mix: Mix) -> impl Strategy<Value = Written> {
    let (contests, voters, vote_ids) = match mix {
        Mix::Votes | Mix::Odd => (16usize, VOTERS.len(), VOTES.len()),
        Mix::Crowded => (9, 1, VOTES.len()),
        Mix::Few => (5, 4, VOTES.len()),
        Mix::Ties => (14, 2, VOTES.len()),
    };
    // Without a timestamp, or at one of two times.
    let times = match mix {
        Mix::Ties => prop::sample::select(vec![0, 32, 40]).boxed(),
        _ => (0..64usize).boxed(),
    };
    let votes = || {
        let times = times.clone();
        let choices = prop::collection::vec(0..24usize, 0..3);
        (
            0..contests,
            0..voters,
            0..vote_ids,
            choices,
            0..24usize,
            times,
        )
            .prop_map(|(contest, voter, vote, choices, location, time)| Vote {
                contest,
                voter,
                vote,
                choices,
                location,
                time,
            })
    };
    let fields = prop::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..9);
    let (casts, voids, copies, odd) = match mix {
        Mix::Votes => (24, 6, 6, 1),
        Mix::Odd => (4, 1, 1, 12),
        Mix::Crowded => (24, 1, 6, 1),
        Mix::Few => (24, 10, 6, 1),
        Mix::Ties => (24, 4, 24, 1),
    };
    let what = prop_oneof![
        casts => (votes(), 0..64usize).prop_map(|(vote, form)| What::Cast(vote, form)),
        voids => (votes(), 0..8usize).prop_map(|(vote, form)| What::Void(vote, form)),
        copies => (0..64usize).prop_map(What::Copy),
        odd => (votes(), 0..6usize, 0..200usize).prop_map(|(v, how, at)| What::Damaged(v, how, at)),
        odd => fields.prop_map(What::Fields),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(What::Bytes),
    ];
    (0..72usize, what).prop_map(|(log_time, what)| Written { log_time, what })
}

impl Written {
    /// The message; `before` are those that were written so far.
    pub fn message(&self, before: &[Message]) -> Message {
        let log_time_ms = match self.log_time {
            64.. => None,
            number => Some(grid_ms(number)),
        };
        let bytes = match &self.what {
            What::Cast(vote, form) => vote.cast(*form).into_bytes(),
            What::Void(vote, form) => vote.void(*form).into_bytes(),
            What::Copy(_) if before.is_empty() => Vec::new(),
            What::Copy(number) => before[number % before.len()].bytes.clone(),
            What::Damaged(vote, how, at) => damage(vote.cast(*at).into_bytes(), *how, *at),
            What::Fields(fields) => {
                let written = fields.iter();
                let written =
                    written.map(|(name, value)| format!("{}:{}", NAMES[*name], VALUES[*value]));
                format!("{{{}}}", written.collect::<Vec<_>>().join(",")).into_bytes()
            }
            What::Bytes(bytes) => bytes.clone(),
        };
        Message { log_time_ms, bytes }
    }
}

impl Vote {
    fn cast(&self, form: usize) -> String {
        let mut fields = self.named(form);
        let choices: Vec<String> = self
            .choices
            .iter()
            .map(|choice| candidate(*choice))
            .collect();
        match choices.as_slice() {
            [one] if !form.is_multiple_of(3) => fields.push(format!("\"candidate_id\":{one}")),
            many => fields.push(format!("\"choices\":[{}]", many.join(", "))),
        }
        if let Some(location) = self.location() {
            fields.push(format!("\"location\":\"{location}\""));
        }
        if let Some(time) = self.time(form) {
            fields.push(format!("\"timestamp\":{time}"));
        }
        object(fields, form)
    }

    fn void(&self, form: usize) -> String {
        let mut fields = self.named(form);
        fields.push("\"type\":\"void\"".to_string());
        object(fields, form)
    }

    fn named(&self, form: usize) -> Vec<String> {
        let mut fields = vec![format!("\"voter_id\":\"{}\"", pick(VOTERS, self.voter))];
        let vote = pick(VOTES, self.vote);
        if !vote.is_empty() {
            fields.push(format!("\"vote_id\":\"{vote}\""));
        }
        if let Some(contest) = self.contest() {
            fields.push(format!("\"contest_id\":\"{contest}\""));
        }
        if form.is_multiple_of(7) {
            fields.push("\"other\":[{\"vote_id\":null}]".to_string());
        }
        fields
    }

    /// Mostly the default or the first two, seldom one that edits may bring.
    fn contest(&self) -> Option<&str> {
        match self.contest {
            0..5 => None,
            5..8 => Some("m"),
            8..14 => Some("n"),
            14 => Some("o"),
            _ => Some("never"),
        }
    }

    /// Mostly one where the contest's election has some, none where it has none.
    fn location(&self) -> Option<&str> {
        let fits = match (self.contest(), self.location) {
            (Some("n"), 0..20) => 3,
            (_, 20..) => LOCATIONS.len(),
            _ => return None,
        };
        Some(LOCATIONS[self.location % fits])
    }

    fn time(&self, form: usize) -> Option<String> {
        let ms = match self.time {
            0..8 => return None,
            61 => 172_800_000,
            62 => 200_000,
            63 => -300_000,
            number => grid_ms(number / 2),
        };
        Some(match form % 4 {
            0 => format!("\"{}\"", instant::write(ms)),
            1 => format!(
                "\"{}\"",
                instant::write(ms + 5_400_000).replace('Z', "+01:30")
            ),
            _ => ms.to_string(),
        })
    }
}

/// A candidate as a text or, where it is one, as an integer; mostly one of the first two.
fn candidate(number: usize) -> String {
    match number {
        0..20 => format!("\"{}\"", CANDIDATES[number % 2]),
        20 => "5".to_string(),
        number => format!("\"{}\"", pick(CANDIDATES, number)),
    }
}

fn object(mut fields: Vec<String>, form: usize) -> String {
    let turn = form % fields.len();
    fields.rotate_left(turn);
    format!("{{{}}}", fields.join(", "))
}

fn damage(mut bytes: Vec<u8>, how: usize, at: usize) -> Vec<u8> {
    let at = at % bytes.len();
    match how {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1,
        2 => bytes[at] = 0xff,
        3 => bytes.insert(at, b'"'),
        4 => {
            bytes.remove(at);
        }
        _ => {
            bytes.splice(0..0, [0xef, 0xbb, 0xbf]);
        }
    }
    bytes
}

const NAMES: &[&str] = &[
    r#""vote_id""#,
    r#""voter_id""#,
    r#""candidate_id""#,
    r#""choices""#,
    r#""contest_id""#,
    r#""location""#,
    r#""timestamp""#,
    r#""type""#,
    r#""vote_id""#,
    r#""voter_id""#,
    r#""candidate_id""#,
    r#""other""#,
    r#""\u0076oter_id""#,
    r#""t\u0079pe""#,
    r#""\ud800""#,
    r#""type\u0000""#,
];

const VALUES: &[&str] = &[
    r#""1""#,
    r#""a""#,
    r#""\u0061""#,
    r#""x""#,
    r#""m""#,
    r#""cast""#,
    r#""void""#,
    r#""1970-01-01T00:00:05.5Z""#,
    r#""1970-01-01t00:00:05.5000+00:00""#,
    r#""1970-01-01T00:00:60Z""#,
    "null",
    "5",
    "-0",
    "5.0",
    "5e3",
    "9223372036854775807",
    "9223372036854775808",
    "253402300799999",
    "1e999",
    "01",
    "true",
    r#""""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\ud83d\ude00""#,
    r#""\udc00\ud800""#,
    "\"\u{feff}\"",
    "\"\t\"",
    "[]",
    r#"["a"]"#,
    r#"["a","b"]"#,
    r#"["a", "\u0061"]"#,
    r#"[5,"5"]"#,
    r#"[5, "a"]"#,
    "[null]",
    r#"["\ud800"]"#,
    r#"[["a"]]"#,
    "{}",
    r#"{"a":"\ud800"}"#,
    r#"{"type":"void","type":"cast"}"#,
    "[1,]",
    "",
];
