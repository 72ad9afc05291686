//! Vote ids, kept exactly, since they order: 16 bytes where they are canonical UUIDs, else text.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A vote id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteId {
    /// A text of the form `8-4-4-4-12` of lower-case hexadecimal digits.
    Uuid([u8; 16]),
    /// Any other text.
    Text(Box<str>),
}

const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_TEXT_BYTES: usize = 36;

impl VoteId {
    /// Reads a text; every text is a vote id.
    pub fn new(text: &str) -> VoteId {
        match parse_uuid(text.as_bytes()) {
            Some(bytes) => VoteId::Uuid(bytes),
            None => VoteId::Text(text.into()),
        }
    }

    /// The text, as it came.
    pub fn text(&self) -> Box<str> {
        match self {
            VoteId::Text(text) => text.clone(),
            VoteId::Uuid(bytes) => {
                let mut text = String::with_capacity(UUID_TEXT_BYTES);
                for byte in bytes {
                    if HYPHENS.contains(&text.len()) {
                        text.push('-');
                    }
                    for nibble in [byte >> 4, byte & 15] {
                        text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
                    }
                }
                text.into()
            }
        }
    }
}

/// The order of the texts, by bytes. Canonical UUIDs order as their 16 bytes do, since `0`–`9`
/// come before `a`–`f` and the hyphens stand at the same places.
impl Ord for VoteId {
    fn cmp(&self, other: &VoteId) -> Ordering {
        match (self, other) {
            (VoteId::Uuid(a), VoteId::Uuid(b)) => a.cmp(b),
            (VoteId::Text(a), VoteId::Text(b)) => a.cmp(b),
            _ => self.text().cmp(&other.text()),
        }
    }
}

impl PartialOrd for VoteId {
    fn partial_cmp(&self, other: &VoteId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for VoteId {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            VoteId::Uuid(bytes) => u128::from_be_bytes(*bytes).hash(hasher),
            VoteId::Text(text) => text.hash(hasher),
        }
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

    #[test]
    fn a_vote_id_keeps_its_text_and_orders_by_it() {
        let texts = [
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
        for a in texts {
            assert_eq!(&*VoteId::new(a).text(), a);
            for b in texts {
                assert_eq!(VoteId::new(a).cmp(&VoteId::new(b)), a.cmp(b), "{a} {b}");
                assert_eq!(VoteId::new(a) == VoteId::new(b), a == b, "{a} {b}");
            }
        }
    }
}
