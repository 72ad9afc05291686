//! What a shard keeps of one voter in one contest: 52 bytes for a plain ballot.
//!
//! A plain ballot is one accepted cast with a UUID for its vote id and at most one choice, and no
//! void. Anything else is a reference to [`Ballots`](super::ballots::Ballots).

use super::cast::{Cast, Choices, Name};
use crate::directory::{BLANK, NONE};
use crate::intake::Arrival;
use crate::time::INSTANT_MS_MIN;
use crate::vote_id::VoteId;

const TIME_BITS: u32 = 50;
const REFERENCE: u64 = 1 << 63;
const UNTIMED: u64 = 1 << 62;
const LATE: u64 = 1 << 61;

/// Words of 32 bits, so that 52 bytes need no padding: key 4, vote id 4, time and flags 2,
/// contest, candidate or reference, location.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry([u32; 13]);

impl Entry {
    /// The entry of an arrival that is a cast, if it is plain where it is accepted.
    pub(super) fn of(key: u128, contest: u32, arrival: &Arrival) -> Option<Entry> {
        if arrival.unusual.is_some() {
            return None;
        }
        let time = time_word(arrival.time_ms, arrival.untimed, arrival.late)?;
        let rest = [contest, arrival.candidate, arrival.location];
        Some(Entry::new(key, arrival.vote_id, time, rest))
    }

    /// The entry of a cast that is accepted, if it is plain.
    pub(super) fn plain(key: u128, contest: u32, cast: &Cast) -> Option<Entry> {
        let VoteId::Uuid(vote_id) = cast.vote_id else {
            return None;
        };
        let candidate = match cast.choices {
            Choices::One(one) => one,
            Choices::Blank => BLANK,
            Choices::List(_) => return None,
        };
        let time = time_word(cast.time_ms, cast.untimed, cast.late)?;
        let rest = [contest, candidate, cast.place()];
        Some(Entry::new(key, u128::from_be_bytes(vote_id), time, rest))
    }

    /// The entry of ballots that are kept apart.
    pub(super) fn reference(key: u128, contest: u32, ballots: u32) -> Entry {
        Entry::new(key, 0, REFERENCE, [contest, ballots, NONE])
    }

    fn new(key: u128, vote_id: u128, time: u64, rest: [u32; 3]) -> Entry {
        let mut words = [0; 13];
        put(&mut words[0..4], key);
        put(&mut words[4..8], vote_id);
        words[8] = time as u32;
        words[9] = (time >> 32) as u32;
        words[10..13].copy_from_slice(&rest);
        Entry(words)
    }

    /// The voter's hash, exclusive or the contest's.
    pub(super) fn key(&self) -> u128 {
        get(&self.0[0..4])
    }

    /// The contest's number.
    pub(super) fn contest(&self) -> u32 {
        self.0[10]
    }

    /// Gives the contest another number.
    pub(super) fn set_contest(&mut self, contest: u32) {
        self.0[10] = contest;
    }

    /// Where the ballots are, if they are kept apart.
    pub(super) fn ballots(&self) -> Option<u32> {
        (self.time() & REFERENCE != 0).then_some(self.0[11])
    }

    /// The cast of a plain entry.
    pub(super) fn cast(&self) -> Cast {
        let time = self.time();
        Cast {
            vote_id: VoteId::Uuid(get(&self.0[4..8]).to_be_bytes()),
            choices: match self.0[11] {
                BLANK => Choices::Blank,
                candidate => Choices::One(candidate),
            },
            location: (self.0[12] != NONE).then_some(Name::Known(self.0[12])),
            time_ms: (time & ((1 << TIME_BITS) - 1)) as i64 + INSTANT_MS_MIN,
            untimed: time & UNTIMED != 0,
            late: time & LATE != 0,
        }
    }

    fn time(&self) -> u64 {
        u64::from(self.0[9]) << 32 | u64::from(self.0[8])
    }
}

/// A cast's time and flags, if the time is an instant of the years 0001 to 9999 or near.
fn time_word(time_ms: i64, untimed: bool, late: bool) -> Option<u64> {
    let time = (time_ms - INSTANT_MS_MIN) as u64;
    let flags = if untimed { UNTIMED } else { 0 } | if late { LATE } else { 0 };
    (time >> TIME_BITS == 0).then_some(time | flags)
}

fn put(words: &mut [u32], value: u128) {
    for (at, word) in words.iter_mut().enumerate() {
        *word = (value >> (32 * at)) as u32;
    }
}

fn get(words: &[u32]) -> u128 {
    let each = words.iter().rev();
    each.fold(0, |value, word| value << 32 | u128::from(*word))
}
