//! What a shard keeps of one voter in one contest: 56 bytes for a plain ballot.
//!
//! A plain ballot is one accepted cast with at most one choice, and no void. Anything else, and
//! what does not fit the bits below, is a reference to [`Ballots`](super::ballots::Ballots).
//!
//! | bytes | plain | reference |
//! |---|---|---|
//! | 16 | the voter's hash, exclusive or the contest's | the same |
//! | 16 | the vote id | |
//! | 8 | flags, 2 bits of the vote id's kind, 50 of time | the flag |
//! | 8 | contest 20 bits, candidate 22, location 22 | contest 32, ballots 32 |
//! | 8 | the place of the first copy: partition 16 bits, offset 48 | |

use super::cast::{Cast, Choices, Name};
use crate::directory::{BLANK, NONE};
use crate::intake::Arrival;
use crate::log_place::LogPlace;
use crate::time::INSTANT_MS_MIN;
use crate::vote_id::{VoteId, VoteIdKind};

const TIME_BITS: u32 = 50;
const REFERENCE: u64 = 1 << 63;
const UNTIMED: u64 = 1 << 62;
const LATE: u64 = 1 << 61;
const KIND_AT: u32 = 59;

const CONTEST_BITS: u32 = 20;
/// Of candidates and of locations; all ones stand for none.
const NAME_BITS: u32 = 22;
const NO_NAME: u32 = (1 << NAME_BITS) - 1;

/// Packed, since hashes would be aligned to 16 bytes and leave 8 empty.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(8))]
pub(super) struct Entry {
    key: u128,
    vote_id: u128,
    time: u64,
    names: u64,
    place: u64,
}

/// What a plain entry is made of, besides its key.
struct Plain {
    vote: VoteId,
    time_ms: i64,
    untimed: bool,
    late: bool,
    contest: u32,
    candidate: u32,
    location: u32,
    place: LogPlace,
}

impl Entry {
    /// The entry of an arrival that is a cast, if it is plain where it is accepted.
    pub(super) fn of(key: u128, contest: u32, arrival: &Arrival) -> Option<Entry> {
        if arrival.unusual.is_some() {
            return None;
        }
        Entry::new(
            key,
            &Plain {
                vote: arrival.vote,
                time_ms: arrival.time_ms,
                untimed: arrival.untimed,
                late: arrival.late,
                contest,
                candidate: arrival.candidate,
                location: arrival.location,
                place: arrival.place,
            },
        )
    }

    /// The entry of a cast that is accepted, if it is plain.
    pub(super) fn plain(key: u128, contest: u32, cast: &Cast) -> Option<Entry> {
        let candidate = match cast.choices {
            Choices::One(one) => one,
            Choices::Blank => BLANK,
            Choices::List(_) => return None,
        };
        Entry::new(
            key,
            &Plain {
                vote: cast.vote,
                time_ms: cast.time_ms,
                untimed: cast.untimed,
                late: cast.late,
                contest,
                candidate,
                location: cast.location(),
                place: cast.place,
            },
        )
    }

    /// The entry of ballots that are kept apart.
    pub(super) fn reference(key: u128, contest: u32, ballots: u32) -> Entry {
        Entry {
            key,
            vote_id: 0,
            time: REFERENCE,
            names: u64::from(contest) << 32 | u64::from(ballots),
            place: 0,
        }
    }

    #[inline]
    fn new(key: u128, plain: &Plain) -> Option<Entry> {
        let time = (plain.time_ms - INSTANT_MS_MIN) as u64;
        let candidate = short(plain.candidate)?;
        let location = short(plain.location)?;
        if time >> TIME_BITS != 0 || plain.contest >> CONTEST_BITS != 0 {
            return None;
        }
        let kind = match plain.vote.kind {
            VoteIdKind::Voter => 0,
            VoteIdKind::Uuid => 1,
            VoteIdKind::Hash => 2,
        };
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        let flags = flag(plain.untimed, UNTIMED) | flag(plain.late, LATE) | kind << KIND_AT;
        let contest = u64::from(plain.contest) << (2 * NAME_BITS);
        Some(Entry {
            key,
            vote_id: u128::from_be_bytes(plain.vote.bytes),
            time: time | flags,
            names: contest | candidate << NAME_BITS | location,
            place: plain.place.to_bits(),
        })
    }

    /// The voter's hash, exclusive or the contest's.
    pub(super) fn key(&self) -> u128 {
        self.key
    }

    /// The contest's number.
    pub(super) fn contest(&self) -> u32 {
        let at = if self.is_reference() {
            32
        } else {
            2 * NAME_BITS
        };
        (self.names >> at) as u32
    }

    /// Where the ballots are, if they are kept apart.
    pub(super) fn ballots(&self) -> Option<u32> {
        self.is_reference().then_some(self.names as u32)
    }

    /// The cast of a plain entry.
    pub(super) fn cast(&self) -> Cast {
        let name = |bits: u64| Some(bits as u32 & NO_NAME).filter(|name| *name != NO_NAME);
        Cast {
            vote: VoteId {
                kind: match self.time >> KIND_AT & 3 {
                    0 => VoteIdKind::Voter,
                    1 => VoteIdKind::Uuid,
                    _ => VoteIdKind::Hash,
                },
                bytes: self.vote_id.to_be_bytes(),
            },
            choices: name(self.names >> NAME_BITS).map_or(Choices::Blank, Choices::One),
            location: name(self.names).map(Name::Known),
            time_ms: (self.time & ((1 << TIME_BITS) - 1)) as i64 + INSTANT_MS_MIN,
            place: LogPlace::from_bits(self.place),
            untimed: self.time & UNTIMED != 0,
            late: self.time & LATE != 0,
        }
    }

    fn is_reference(&self) -> bool {
        self.time & REFERENCE != 0
    }
}

/// A candidate's or location's number, or none, in as many bits as there are for it.
fn short(name: u32) -> Option<u64> {
    const { assert!(BLANK == NONE) }
    match name {
        NONE => Some(u64::from(NO_NAME)),
        number => (number < NO_NAME).then_some(u64::from(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::INSTANT_MS_MAX;

    fn cast(number: u32) -> Cast {
        Cast {
            vote: VoteId {
                kind: VoteIdKind::Hash,
                bytes: [0xfe; 16],
            },
            choices: Choices::One(number),
            location: Some(Name::Known(number)),
            time_ms: INSTANT_MS_MAX,
            place: LogPlace::new(LogPlace::PARTITION_MAX, LogPlace::OFFSET_MAX),
            untimed: true,
            late: true,
        }
    }

    #[test]
    fn an_entry_gives_back_its_cast_up_to_the_last_number_that_fits() {
        let contest = (1 << CONTEST_BITS) - 1;
        let earliest = Cast {
            vote: VoteId::default(),
            choices: Choices::Blank,
            location: None,
            time_ms: INSTANT_MS_MIN,
            place: LogPlace::default(),
            untimed: false,
            late: false,
        };
        for cast in [cast(NO_NAME - 1), cast(0), earliest] {
            let entry = Entry::plain(u128::MAX, contest, &cast).expect("it fits");
            assert_eq!(entry.cast(), cast);
            assert_eq!(entry.key(), u128::MAX);
            assert_eq!((entry.contest(), entry.ballots()), (contest, None));
        }
        assert_eq!(size_of::<Entry>(), 56);
    }

    #[test]
    fn what_does_not_fit_is_kept_apart() {
        assert!(Entry::plain(1, 1 << CONTEST_BITS, &cast(1)).is_none());
        assert!(Entry::plain(1, 1, &cast(NO_NAME)).is_none());
        let entry = Entry::reference(7, NONE, u32::MAX);
        assert_eq!((entry.contest(), entry.ballots()), (NONE, Some(u32::MAX)));
    }
}
