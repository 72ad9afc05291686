//! The order of a location's ballots: a permutation that is computed, not stored.
//!
//! A Feistel network over pairs (Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
//! 2002) on the smallest square that holds the ballots; what falls outside is sent through again.

const ROUNDS: u64 = 4;

/// A permutation of the numbers below a size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    size: u32,
    side: u32,
    key: u64,
}

impl Permutation {
    pub(crate) fn new(size: u32, key: u64) -> Permutation {
        let root = u64::from(size).isqrt();
        let side = if root * root == u64::from(size) {
            root
        } else {
            root + 1
        };
        Permutation {
            size,
            // The square root of a number below 2³² is at most 2¹⁶.
            side: side as u32,
            key,
        }
    }

    /// Where a number below the size goes.
    pub(crate) fn apply(&self, number: u32) -> u32 {
        let mut at = u64::from(number);
        loop {
            at = self.once(at);
            if at < u64::from(self.size) {
                return at as u32;
            }
        }
    }

    fn once(&self, number: u64) -> u64 {
        let side = u64::from(self.side);
        let (mut left, mut right) = (number / side, number % side);
        for round in 0..ROUNDS {
            let turned = left + self.round(round, right);
            left = right;
            right = if turned < side { turned } else { turned - side };
        }
        left * side + right
    }

    /// A number below the side; the mixing is MurmurHash3's finalizer.
    fn round(&self, round: u64, half: u64) -> u64 {
        let mut mixed = self.key ^ (half << 8 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^= mixed >> 33;
        ((mixed & 0xffff_ffff) * u64::from(self.side)) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::Permutation;

    #[test]
    fn every_number_comes_once() {
        for size in (1..=200).chain([255, 256, 257, 4095, 65_537, 100_000]) {
            for key in [0, 1, 0xfeed_beef_1234_5678] {
                let order = Permutation::new(size, key);
                let mut seen = vec![false; size as usize];
                for number in 0..size {
                    let place = order.apply(number) as usize;
                    assert!(!seen[place], "{place} comes twice of {size} with key {key}");
                    seen[place] = true;
                }
            }
        }
    }

    #[test]
    fn the_largest_size_has_a_side_that_fits() {
        let order = Permutation::new(u32::MAX, 7);
        assert_eq!(order.side, 65_536);
        assert!(order.apply(u32::MAX - 1) < u32::MAX);
    }

    #[test]
    fn any_stretch_holds_a_fair_sample() {
        let (size, key) = (100_000, 42);
        let order = Permutation::new(size, key);
        for start in (0..size).step_by(10_000) {
            let low = (start..start + 10_000).filter(|n| order.apply(*n) < size / 2);
            let low = low.count();
            // Ten standard deviations of a draw without replacement are about 470.
            assert!((4530..=5470).contains(&low), "{low} of 10000 from {start}");
        }
    }
}
