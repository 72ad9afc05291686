//! The votes of a seed, mixed and hostile: what an honest producer never sends comes often.
//!
//! In come dice and the ids that a register has or will have; out go messages, keyed by voter,
//! without end. Knows nothing of what becomes of them: that is the oracle's to say.

use serde_json::{Value as Json, json};

use crate::dice::Dice;
use crate::odd;
use crate::oracle::instant;
use crate::registers::Paper;

/// How many earlier casts copies, voids and conflicts choose from.
const REMEMBERED_MAX: usize = 600;

/// How long before the votes are sent the first of them were cast.
const HEAD_MS: i64 = 30_000;

/// Over how much time they were cast.
const SPAN_MS: i64 = 45_000;

/// `--horizon`: fewer cells than a run has, so that some of them are served as `earlier` only.
pub const HORIZON_MS: i64 = 90_000;

/// How far back very old casts are.
const OLD_MS: i64 = 30 * 60 * 60 * 1000;

/// A message as it is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its key.
    pub key: Option<String>,
    /// Its body.
    pub body: Option<Vec<u8>>,
    /// Whether a careful client may send it over HTTP: one line that is a valid event.
    pub plain: bool,
}

/// What can be sent.
#[derive(Clone, Copy, Debug)]
enum Kind {
    First,
    Revote,
    Copy,
    Void,
    VoidAhead,
    Conflict,
    Late,
    Old,
    Untimed,
    Unknown,
    Odd,
}

const SHARES: [(u64, Kind); 11] = [
    (38, Kind::First),
    (14, Kind::Revote),
    (10, Kind::Copy),
    (6, Kind::Void),
    (3, Kind::VoidAhead),
    (5, Kind::Conflict),
    (4, Kind::Late),
    (1, Kind::Old),
    (8, Kind::Untimed),
    (6, Kind::Unknown),
    (5, Kind::Odd),
];

/// A cast, or what names one.
#[derive(Clone, Debug)]
struct Vote {
    /// None names the default.
    contest: Option<String>,
    /// Which paper it was made from.
    paper: usize,
    voter: String,
    vote: String,
    choices: Vec<String>,
    location: Option<String>,
    at_ms: Option<i64>,
}

/// Makes events.
pub struct Generator {
    dice: Dice,
    base_ms: i64,
    papers: Vec<Paper>,
    default: Option<String>,
    voters: Vec<String>,
    total: usize,
    number: usize,
    casts: Vec<Vote>,
    /// Votes that were voided before anybody cast them.
    ahead: Vec<Vote>,
    /// What was sent, byte for byte.
    sent: Vec<(String, Vec<u8>)>,
}

/// The ids of everybody who may vote.
pub fn voters(seed: u64, events: usize) -> Vec<String> {
    let mut dice = Dice::new(seed, "voters");
    let voter = |number: usize| match number % 4 {
        0 | 1 => dice.uuid(),
        2 => format!("voter-{number}"),
        _ => format!("é {number}/%"),
    };
    (0..events / 3).map(voter).collect()
}

impl Generator {
    /// The events of a seed: so many, around an instant.
    pub fn new(
        seed: u64,
        base_ms: i64,
        total: usize,
        papers: Vec<Paper>,
        default: Option<&str>,
    ) -> Generator {
        Generator {
            dice: Dice::new(seed, "events"),
            base_ms,
            papers,
            default: default.map(str::to_string),
            voters: voters(seed, total),
            total,
            number: 0,
            casts: Vec::new(),
            ahead: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// The next event.
    pub fn next(&mut self) -> Event {
        self.number += 1;
        let kind = self.dice.weighed(&SHARES);
        let event = match kind {
            Kind::Odd => return self.odd(),
            Kind::Copy if !self.sent.is_empty() => return self.copy(),
            Kind::Void if !self.casts.is_empty() => {
                let vote = self.dice.pick(&self.casts).clone();
                self.void(&vote)
            }
            Kind::VoidAhead => {
                let vote = self.cast(Kind::First);
                self.ahead.push(vote.clone());
                self.void(&vote)
            }
            Kind::First if self.dice.once_in(20) && !self.ahead.is_empty() => {
                let vote = self.ahead.remove(0);
                self.write(&vote)
            }
            Kind::Conflict if !self.casts.is_empty() => {
                let vote = self.conflict();
                self.write(&vote)
            }
            kind => {
                let vote = self.cast(kind);
                self.remember(vote.clone());
                self.write(&vote)
            }
        };
        self.keep(&event);
        event
    }

    /// A cast of this moment, or as its kind says.
    fn cast(&mut self, kind: Kind) -> Vote {
        let dice = &mut self.dice;
        let paper = dice.below(self.papers.len() as u64) as usize;
        let of = &self.papers[paper];
        let mut contest = Some(of.contest.clone());
        if contest == self.default && dice.once_in(2) {
            contest = None;
        }
        let so_far = SPAN_MS * self.number as i64 / self.total as i64;
        let now_ms = self.base_ms - HEAD_MS + so_far + dice.between(-1_500, 1_500);
        let at_ms = match kind {
            Kind::Untimed => None,
            Kind::Late => Some(now_ms - dice.between(6_000, 45_000)),
            Kind::Old => Some(now_ms - OLD_MS),
            _ => Some(now_ms),
        };
        let voter = match kind {
            // Somebody has voted before, or nobody has.
            Kind::Revote if !self.casts.is_empty() => dice.pick(&self.casts).voter.clone(),
            _ => dice.pick(&self.voters).clone(),
        };
        let mut vote = Vote {
            contest,
            paper,
            voter,
            vote: match dice.below(4) {
                0 => dice.below(3).to_string(),
                1 => format!("{}~", dice.uuid()),
                _ => dice.uuid(),
            },
            choices: choices(dice, &of.candidates),
            location: (!of.leaves.is_empty()).then(|| dice.pick(&of.leaves).clone()),
            at_ms,
        };
        if matches!(kind, Kind::Unknown) {
            self.unknown(&mut vote);
        }
        vote
    }

    /// Makes a cast one that no register lets count.
    fn unknown(&mut self, vote: &mut Vote) {
        let of = &self.papers[vote.paper];
        match self.dice.below(4) {
            0 => vote.contest = Some(self.dice.pick(&["never", "mayor", ""]).to_string() + "x"),
            1 => vote.choices.insert(0, "nobody".to_string()),
            // Absent where it must not be, present where there are none.
            2 => vote.location = vote.location.is_none().then(|| "0".to_string()),
            _ if of.inner.is_empty() => vote.location = Some("nowhere".to_string()),
            _ => vote.location = Some(self.dice.pick(&of.inner).clone()),
        }
    }

    /// A known vote with other content.
    fn conflict(&mut self) -> Vote {
        let mut vote = self.dice.pick(&self.casts).clone();
        let of = &self.papers[vote.paper];
        match self.dice.below(4) {
            0 => vote.choices = choices(&mut self.dice, &of.candidates),
            1 if !of.leaves.is_empty() => vote.location = Some(self.dice.pick(&of.leaves).clone()),
            2 => vote.at_ms = None,
            _ => vote.at_ms = vote.at_ms.map(|at_ms| at_ms + self.dice.between(-2, 2)),
        }
        vote
    }

    /// The same bytes again, or the same values written in another way; sometimes with another
    /// key, so that copies meet in different partitions.
    fn copy(&mut self) -> Event {
        let another_key = self.dice.once_in(4);
        let event = if self.dice.once_in(3) && !self.casts.is_empty() {
            let vote = self.dice.pick(&self.casts).clone();
            self.write(&vote)
        } else {
            let (key, body) = self.dice.pick(&self.sent).clone();
            Event {
                key: Some(key),
                body: Some(body),
                plain: true,
            }
        };
        let other = self.dice.pick(&self.voters).clone();
        Event {
            key: match another_key {
                true => (!self.dice.once_in(3)).then_some(other),
                false => event.key,
            },
            ..event
        }
    }

    fn odd(&mut self) -> Event {
        let vote = self.cast(Kind::First);
        let key = (!self.dice.once_in(3)).then(|| vote.voter.clone());
        let written = self.write(&vote).body.unwrap_or_default();
        let text = String::from_utf8(written).expect("a vote is text");
        Event {
            key,
            body: odd::body(&mut self.dice, &text, self.base_ms),
            plain: false,
        }
    }

    fn void(&mut self, vote: &Vote) -> Event {
        let mut void = json!({"type": "void", "voter_id": vote.voter, "vote_id": vote.vote});
        if let Some(contest) = &vote.contest {
            void["contest_id"] = json!(contest);
        }
        if self.dice.once_in(3) {
            // All other fields of a void are ignored, right or wrong.
            void["timestamp"] = json!("yesterday");
        }
        event(vote, void.to_string())
    }

    /// Writes a cast in one of the ways that mean the same.
    fn write(&mut self, vote: &Vote) -> Event {
        let dice = &mut self.dice;
        let mut fields: Vec<(&str, Json)> = vec![
            ("voter_id", json!(vote.voter)),
            ("vote_id", json!(vote.vote)),
        ];
        match &vote.contest {
            Some(contest) => fields.push(("contest_id", json!(contest))),
            None if dice.once_in(4) => fields.push(("contest_id", Json::Null)),
            None => {}
        }
        let choices: Vec<Json> = vote.choices.iter().map(|id| candidate(dice, id)).collect();
        match choices.as_slice() {
            [one] if !dice.once_in(3) => fields.push(("candidate_id", one.clone())),
            _ => fields.push(("choices", json!(choices))),
        }
        if let Some(location) = &vote.location {
            fields.push(("location", json!(location)));
        }
        if let Some(at_ms) = vote.at_ms {
            fields.push(("timestamp", time(dice, at_ms)));
        }
        if dice.once_in(5) {
            fields.push(("note", json!({"type": "void", "of": [null, 1.5e3]})));
        }
        if dice.once_in(6) {
            fields.push(("type", json!("cast")));
        }
        dice.shuffle(&mut fields);
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        event(vote, format!("{{{}}}", fields.join(",")))
    }

    fn remember(&mut self, vote: Vote) {
        if self.casts.len() < REMEMBERED_MAX {
            self.casts.push(vote);
        } else {
            let place = self.dice.below(REMEMBERED_MAX as u64) as usize;
            self.casts[place] = vote;
        }
    }

    fn keep(&mut self, event: &Event) {
        let (Some(key), Some(body)) = (&event.key, &event.body) else {
            return;
        };
        if self.sent.len() == REMEMBERED_MAX {
            let place = self.dice.below(REMEMBERED_MAX as u64) as usize;
            self.sent.swap_remove(place);
        }
        self.sent.push((key.clone(), body.clone()));
    }
}

fn event(vote: &Vote, text: String) -> Event {
    Event {
        key: Some(vote.voter.clone()),
        body: Some(text.into_bytes()),
        plain: true,
    }
}

/// One mostly, none at times, several at times; none twice.
fn choices(dice: &mut Dice, candidates: &[String]) -> Vec<String> {
    let count = dice.weighed(&[(3, 0), (30, 1), (4, 2), (1, 3)]);
    let mut choices: Vec<String> = Vec::new();
    while choices.len() < count.min(candidates.len()) {
        // The first ones get most votes, so that ranks differ and change.
        let favour = dice.below(candidates.len() as u64) + 1;
        let choice = &candidates[dice.below(favour) as usize];
        if !choices.contains(choice) {
            choices.push(choice.clone());
        }
    }
    choices
}

/// A candidate whose id is an integer may be written as one.
fn candidate(dice: &mut Dice, id: &str) -> Json {
    match id.parse::<i64>() {
        Ok(number) if dice.once_in(2) => json!(number),
        _ => json!(id),
    }
}

fn time(dice: &mut Dice, at_ms: i64) -> Json {
    match dice.below(3) {
        0 => json!(instant::write(at_ms)),
        1 => json!(instant::write(at_ms + 5_400_000).replace('Z', "+01:30")),
        _ => json!(at_ms),
    }
}
