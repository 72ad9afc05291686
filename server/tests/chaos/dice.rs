//! Chance that is the same again: everything that a run decides comes from here, by seed.
//!
//! Each purpose has dice of its own, so that another roll for the faults leaves the votes alone.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Dice for one purpose.
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The dice of a seed for a purpose.
    pub fn new(seed: u64, purpose: &str) -> Dice {
        let mixed = xxh3_64_with_seed(purpose.as_bytes(), seed);
        Dice(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// A number below a bound, which is above 0; the bias of the remainder does not matter here.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// A number from the first to the last, both included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first + 1) as u64) as i64
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// The name of one of several, each with its share.
    pub fn weighed<T: Copy>(&mut self, shares: &[(u64, T)]) -> T {
        let total = shares.iter().map(|(share, _)| share).sum();
        let mut rolled = self.below(total);
        for (share, value) in shares {
            match rolled.checked_sub(*share) {
                Some(rest) => rolled = rest,
                None => return *value,
            }
        }
        unreachable!("a roll is below the sum of all shares")
    }

    /// Puts things into another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// A canonical UUID of version 4.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.0.next_u64(), self.0.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }
}
