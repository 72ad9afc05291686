//! Vote ids as they are kept: 16 bytes that are compared and never shown.
//!
//! An id comes in with its voter's, and a [`VoteId`] goes out: the bytes of a canonical UUID, a
//! mark where the id is the voter's own, and a keyed hash of any other. So no voter's id is kept,
//! and an id of 128 bytes takes no more memory than a short one.

use serde::{Deserialize, Serialize};

use crate::hash::KeyedHash;

/// A vote id. Two of one voter are equal if the texts that they were made of are.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct VoteId {
    /// What the bytes are.
    pub kind: VoteIdKind,
    /// Zeros where the id is the voter's.
    pub bytes: [u8; 16],
}

/// What the bytes of a vote id are.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum VoteIdKind {
    /// The voter's id, said or left out.
    #[default]
    Voter,
    /// A canonical UUID: `8-4-4-4-12` lower-case hexadecimal digits.
    Uuid,
    /// The keyed hash of any other text.
    Hash,
}

const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_TEXT_BYTES: usize = 36;

impl VoteId {
    /// Reads the id of a voter's vote; every text is one.
    pub fn new(vote_id: &str, voter_id: &str, hash: &KeyedHash) -> VoteId {
        if vote_id == voter_id {
            return VoteId::default();
        }
        match parse_uuid(vote_id.as_bytes()) {
            Some(bytes) => VoteId {
                kind: VoteIdKind::Uuid,
                bytes,
            },
            None => VoteId {
                kind: VoteIdKind::Hash,
                bytes: hash.vote(vote_id).to_be_bytes(),
            },
        }
    }

    /// Whether the vote has no id but its voter's.
    pub fn is_voters(self) -> bool {
        self.kind == VoteIdKind::Voter
    }
}

fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; UUID_TEXT_BYTES] = text.try_into().ok()?;
    if HYPHENS.iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let mut bytes = [0; 16];
    // A digit that is none has high bits, and they are looked for once.
    let mut seen = 0;
    for (byte, &at) in bytes.iter_mut().zip(&DIGITS) {
        let high = NIBBLE[usize::from(text[at])];
        let low = NIBBLE[usize::from(text[at + 1])];
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    (seen <= 15).then_some(bytes)
}

/// Where the digits of each byte are.
const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The value of a lower-case hexadecimal digit; 255 for any other byte.
const NIBBLE: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 10] = [
        "",
        "00000000-0000-0000-0000-00000000000g",
        "0a1b2c3d-0000-4000-8000-0123456789ab",
        "0A1B2C3D-0000-4000-8000-0123456789AB",
        "0a1b2c3d-0000-4000-8000-0123456789a",
        "0a1b2c3d-0000-4000-8000-0123456789abc",
        "0a1b2c3d00000-4000-8000-0123456789ab",
        "9fffffff-ffff-ffff-ffff-ffffffffffff",
        "a0000000-0000-0000-0000-000000000000",
        "é",
    ];

    #[test]
    fn vote_ids_are_equal_where_their_texts_are() {
        let hash = KeyedHash::new(*b"a key for tests.");
        for voter in ["ada", "é", "9fffffff-ffff-ffff-ffff-ffffffffffff"] {
            for a in TEXTS {
                assert_eq!(VoteId::new(a, voter, &hash).is_voters(), a == voter);
                for b in TEXTS {
                    let ids = [a, b].map(|text| VoteId::new(text, voter, &hash));
                    assert_eq!(ids[0] == ids[1], a == b, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn a_hash_of_a_vote_id_needs_the_key_and_is_no_voters_hash() {
        let (hash, other) = (KeyedHash::new([1; 16]), KeyedHash::new([2; 16]));
        let of = |hash: &KeyedHash| VoteId::new("ada@example.org", "7", hash).bytes;
        assert_ne!(of(&hash), of(&other));
        assert_ne!(of(&hash), hash.voter("ada@example.org").to_be_bytes());
    }
}
