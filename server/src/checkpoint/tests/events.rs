//! Events as texts, any of them, and what a set of them should come out as.

use std::collections::BTreeMap;
use std::ops::Range;

use dataflow::directory::{BLANK, NONE, Names};
use dataflow::hash::KeyedHash;
use dataflow::intake::{Arrival, UnknownContest, Unusual};
use dataflow::kept::{Kept, KeptState, Numbering};
use dataflow::log_place::LogPlace;
use dataflow::time::{INSTANT_MS_MAX, INSTANT_MS_MIN};
use dataflow::vote_id::{VoteId, VoteIdKind};
use proptest::prelude::*;

/// What identifies an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub voter: u128,
    pub contest: Option<String>,
    /// A contest of which only the hash is kept, where none is named.
    pub contest_hash: Option<u128>,
    pub vote: VoteId,
    pub void: bool,
    pub choices: Vec<String>,
    pub location: Option<String>,
    pub timestamp_ms: Option<i64>,
}

/// The rest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Only of casts without a timestamp.
    pub log_time_ms: Option<i64>,
    /// Of casts.
    pub place: LogPlace,
    pub late: bool,
    pub state: KeptState,
}

/// An event.
pub type Event = (Key, Rest);

/// Events, each once.
pub type Events = BTreeMap<Key, Rest>;

/// Names of a directory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub contests: Names,
    pub candidates: Names,
    pub locations: Names,
}

impl Directory {
    /// One that knows some of the texts below, by other numbers for another `skip`.
    pub fn knowing(skip: usize) -> Directory {
        let mut directory = Directory::default();
        for text in TEXTS.iter().skip(skip).step_by(2) {
            directory.contests.give(text);
            directory.candidates.give(text);
            directory.locations.give(text);
        }
        directory
    }

    pub fn numbering(&self) -> Numbering<'_> {
        Numbering {
            contests: &self.contests,
            candidates: &self.candidates,
            locations: &self.locations,
        }
    }

    /// The event as it is kept under this directory.
    pub fn kept(&self, (key, rest): &Event) -> Kept {
        let mut unusual = Unusual::default();
        let number = |names: &Names, text: &Option<String>, spelled: &mut Option<Box<str>>| {
            let text = text.as_deref()?;
            let number = names.number(text);
            if number.is_none() {
                *spelled = Some(text.into());
            }
            number
        };
        let mut named = None;
        let contest = number(&self.contests, &key.contest, &mut named);
        unusual.contest = named.map(UnknownContest::Named);
        if let Some(hash) = key.contest_hash {
            unusual.contest = Some(UnknownContest::Hashed(hash));
        }
        let location = number(&self.locations, &key.location, &mut unusual.location);
        let candidate = match key.choices.as_slice() {
            [one] => self.candidates.number(one),
            _ => None,
        };
        if candidate.is_none() && !key.choices.is_empty() {
            let list = key.choices.iter().map(|text| text.as_str().into());
            unusual.choices = Some(list.collect());
        }
        let is_usual = unusual == Unusual::default();
        Kept {
            event: Arrival {
                voter: key.voter,
                vote: key.vote,
                place: rest.place,
                time_ms: key.timestamp_ms.or(rest.log_time_ms).unwrap_or_default(),
                contest: contest.unwrap_or(NONE),
                candidate: candidate.unwrap_or(BLANK),
                location: location.unwrap_or(NONE),
                void: key.void,
                untimed: !key.void && key.timestamp_ms.is_none(),
                late: rest.late,
                unusual: (!is_usual).then(|| Box::new(unusual)),
            },
            state: rest.state,
        }
    }

    /// The other way.
    pub fn event(&self, kept: &Kept) -> Event {
        let event = &kept.event;
        let unusual = event.unusual.as_deref().cloned().unwrap_or_default();
        let text = |names: &Names, number: u32, spelled: Option<Box<str>>| match number {
            NONE => spelled.map(String::from),
            number => Some(names.text(number).to_string()),
        };
        let is_cast = !event.void;
        let (named, contest_hash) = match unusual.contest {
            Some(UnknownContest::Named(id)) => (Some(id), None),
            Some(UnknownContest::Hashed(hash)) => (None, Some(hash)),
            None => (None, None),
        };
        let key = Key {
            voter: event.voter,
            contest: text(&self.contests, event.contest, named),
            contest_hash,
            vote: event.vote,
            void: event.void,
            choices: match unusual.choices {
                Some(list) => list.into_iter().map(String::from).collect(),
                None => {
                    let one = text(&self.candidates, event.candidate, None);
                    one.into_iter().collect()
                }
            },
            location: text(&self.locations, event.location, unusual.location),
            timestamp_ms: (is_cast && !event.untimed).then_some(event.time_ms),
        };
        let rest = Rest {
            log_time_ms: event.untimed.then_some(event.time_ms),
            place: event.place,
            late: event.late,
            state: kept.state,
        };
        (key, rest)
    }
}

/// Kept events are compared by all that they are.
pub fn shown(kept: &[Kept]) -> Vec<String> {
    kept.iter().map(|kept| format!("{kept:?}")).collect()
}

const TEXTS: [&str; 10] = [
    "mayor",
    "coderre",
    "5",
    "\"; drop table votes; --",
    "Zürich-Ost",
    "投票",
    "a\u{301}\r\n\t",
    "null",
    "[\"a\"]",
    "🗳️/%2F",
];

const VOTE_IDS: [&str; 6] = [
    "the voter's",
    "0a1b2c3d-0000-4000-8000-0123456789ab",
    "0A1B2C3D-0000-4000-8000-0123456789AB",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-0000-0000-000000000000",
    "1",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&TEXTS[..]).prop_map(str::to_string),
        1 => "[^\u{0}]{1,32}",
    ]
}

fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1_383_505_509_000_i64..1_383_505_509_004,
        1 => INSTANT_MS_MIN..=INSTANT_MS_MAX,
        1 => prop::sample::select(&[INSTANT_MS_MIN, INSTANT_MS_MAX, 0, -1][..]),
    ]
}

fn voter() -> impl Strategy<Value = u128> {
    // Voters that meet in one half, and few enough that identities do too.
    prop_oneof![
        3 => (0..3_u128, 0..3_u128).prop_map(|(high, low)| high << 64 | low),
        1 => any::<u128>(),
        1 => Just(u128::MAX),
    ]
}

fn vote() -> impl Strategy<Value = VoteId> {
    let hash = KeyedHash::new([7; 16]);

    prop_oneof![
        3 => prop::sample::select(&VOTE_IDS[..]).prop_map(str::to_string),
        1 => text(),
    ]
    .prop_map(move |text| VoteId::new(&text, "the voter's", &hash))
}

/// A contest by its id, by its hash, or none.
fn contest() -> impl Strategy<Value = (Option<String>, Option<u128>)> {
    prop_oneof![
        6 => text().prop_map(|id| (Some(id), None)),
        1 => (0..3_u128).prop_map(|hash| (None, Some(hash))),
        1 => Just((None, None)),
    ]
}

fn place() -> impl Strategy<Value = LogPlace> {
    let partition = prop_oneof![0..3_u32, Just(LogPlace::PARTITION_MAX)];
    let offset = prop_oneof![0..9_i64, Just(LogPlace::OFFSET_MAX)];
    (partition, offset).prop_map(|(partition, offset)| LogPlace::new(partition, offset))
}

fn choices() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        1 => Just(Vec::new()),
        4 => text().prop_map(|one| vec![one]),
        1 => prop::collection::vec(text(), 2..5),
    ]
}

fn cast() -> impl Strategy<Value = Event> {
    let key = (
        voter(),
        contest(),
        vote(),
        choices(),
        prop::option::of(text()),
        prop::option::weighted(0.8, instant()),
    );
    let states = &KeptState::ALL[..4];
    let rest = (instant(), place(), any::<bool>());
    (key, rest, prop::sample::select(states)).prop_map(
        |((voter, contest, vote, choices, location, timestamp_ms), (log, place, late), state)| {
            let key = Key {
                voter,
                contest: contest.0,
                contest_hash: contest.1,
                vote,
                void: false,
                choices,
                location,
                timestamp_ms,
            };
            let rest = Rest {
                log_time_ms: timestamp_ms.is_none().then_some(log),
                place,
                late,
                state,
            };
            (key, rest)
        },
    )
}

fn void() -> impl Strategy<Value = Event> {
    (voter(), contest(), vote()).prop_map(|(voter, contest, vote)| {
        let key = Key {
            voter,
            contest: contest.0,
            contest_hash: contest.1,
            vote,
            void: true,
            choices: Vec::new(),
            location: None,
            timestamp_ms: None,
        };
        let rest = Rest {
            log_time_ms: None,
            place: LogPlace::default(),
            late: false,
            state: KeptState::Void,
        };
        (key, rest)
    })
}

/// Events of every kind, many of them versions of one.
pub fn events(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(prop_oneof![5 => cast(), 1 => void()], count)
}

/// Plain casts, made quickly: one for each of `voters`, every one of them different.
pub fn plain_casts(voters: Range<u64>, directory: &mut Directory) -> Vec<Kept> {
    let contest = directory.contests.give("mayor");
    let candidates: Vec<u32> = (0..12)
        .map(|n| directory.candidates.give(&format!("candidate-{n}")))
        .collect();
    let locations: Vec<u32> = (0..500)
        .map(|n| directory.locations.give(&format!("{n}")))
        .collect();
    let cast = |voter: u64| {
        let random = |salt: u64| splitmix(voter ^ salt);
        Kept {
            event: Arrival {
                voter: u128::from(random(1)) << 64 | u128::from(random(2)),
                vote: VoteId {
                    kind: VoteIdKind::Uuid,
                    bytes: (u128::from(random(3)) << 64 | u128::from(random(4))).to_be_bytes(),
                },
                place: LogPlace::new((random(8) % 8) as u32, voter as i64),
                time_ms: 1_383_505_509_000 + (random(5) % 36_000_000) as i64,
                contest,
                candidate: candidates[(random(6) % 12) as usize],
                location: locations[(random(7) % 500) as usize],
                ..Arrival::default()
            },
            state: KeptState::Accepted,
        }
    };
    voters.map(cast).collect()
}

/// A good mixing of a number (Steele, Lea and Flood, 2014).
fn splitmix(seed: u64) -> u64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
