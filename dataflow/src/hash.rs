//! Keyed 128-bit hashes of voters, vote ids and contests, so that nobody can craft two that meet.
//!
//! SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012). The key is one for all workers and
//! processes, kept by the shell. A ballot's key is the exclusive or of its voter's and its
//! contest's hash: either gives the other back.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher24};

/// Makes the hashes of one key.
#[derive(Clone, Copy, Debug)]
pub struct KeyedHash {
    key: [u8; 16],
}

impl KeyedHash {
    /// Hashes under a key.
    pub fn new(key: [u8; 16]) -> KeyedHash {
        KeyedHash { key }
    }

    /// A voter's hash.
    pub fn voter(&self, voter_id: &str) -> u128 {
        self.hash(b'v', voter_id)
    }

    /// A contest's hash.
    pub fn contest(&self, contest_id: &str) -> u128 {
        self.hash(b'c', contest_id)
    }

    /// A vote id's hash.
    pub fn vote(&self, vote_id: &str) -> u128 {
        self.hash(b'i', vote_id)
    }

    fn hash(&self, domain: u8, text: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(text.as_bytes());
        hasher.write(&[domain]);
        hasher.finish128().as_u128()
    }
}
