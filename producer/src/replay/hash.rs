//! Numbers that look random but belong to a ballot: equal for equal seed, ballot and purpose.
//!
//! XXH3 of the ballot's number, so that any ballot can be made without those before it. Holds no
//! state.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// What a number is drawn for; keeps draws for the same ballot apart.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Purpose {
    Curve = 1,
    Order,
    Slice,
    Time,
    Spelling,
    OtherChoice,
    Voter,
    Vote,
}

pub(crate) fn draw(seed: u64, purpose: Purpose, number: u64) -> u64 {
    xxh3_64_with_seed(&number.to_le_bytes(), keyed(seed, purpose))
}

/// 128 bits; 122 of them make a UUID, which no two ballots of an election share (the odds are
/// below one in 10²⁰ for a billion of them).
pub(crate) fn draw_128(seed: u64, purpose: Purpose, number: u64) -> u128 {
    xxh3_128_with_seed(&number.to_le_bytes(), keyed(seed, purpose))
}

/// Maps a draw to below a bound under 2³².
pub(crate) fn to_below(draw: u64, bound: u64) -> u64 {
    ((draw >> 32) * bound) >> 32
}

/// Weyl steps keep seeds that follow one another apart.
fn keyed(seed: u64, purpose: Purpose) -> u64 {
    seed.wrapping_add((purpose as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
