//! How far a location has told its votes at a time of the evening: its opening curve.
//!
//! Whole numbers throughout, so that every machine computes the same.

use super::hash::{Purpose, draw, to_below};
use super::plan::SLICES;

/// A unit of the way from a location's first vote to its last.
const ONE: u128 = 1 << 16;
/// How much an S a curve is, in 256ths; the rest is straight.
const BEND_MAX: u128 = 256;

/// The curve of one location: it opens, goes up in a more or less pronounced S, and is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Curve {
    opens: u32,
    slices: u32,
    bend: u32,
    total: u32,
}

impl Curve {
    /// The curve of the whole evening, for an election in one place.
    pub(crate) fn whole(total: u32) -> Curve {
        Curve {
            opens: 0,
            slices: SLICES as u32,
            bend: BEND_MAX as u32 / 2,
            total,
        }
    }

    /// A location's own curve: some open early and some late, some are quick and some slow.
    pub(crate) fn of(total: u32, seed: u64, unit: u64) -> Curve {
        let evening = SLICES as u64;
        let draws = [0, 1, 2].map(|which| draw(seed, Purpose::Curve, unit * 3 + which));
        let slices = evening / 8 + to_below(draws[0], evening * 3 / 8);
        let opens = to_below(draws[1], evening - slices + 1);
        Curve {
            opens: opens as u32,
            slices: slices as u32,
            bend: to_below(draws[2], BEND_MAX as u64 + 1) as u32,
            total,
        }
    }

    /// How many of its ballots have come before a slice; all of them before the last's end.
    pub(crate) fn before(&self, slice: usize) -> u32 {
        let since = (slice as u32).saturating_sub(self.opens).min(self.slices);
        let way = u128::from(since) * ONE / u128::from(self.slices);
        // Blend of w and 3w² − 2w³, both over ONE³; monotone, since both are.
        let straight = way * ONE * ONE;
        let bent = 3 * way * way * ONE - 2 * way * way * way;
        let bend = u128::from(self.bend);
        let blend = (BEND_MAX - bend) * straight + bend * bent;
        (u128::from(self.total) * blend / (BEND_MAX * ONE * ONE * ONE)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, SLICES};

    #[test]
    fn curves_rise_from_none_to_all() {
        for unit in 0..300 {
            let curve = Curve::of(75_000, 9, unit);
            let steps: Vec<u32> = (0..=SLICES).map(|slice| curve.before(slice)).collect();
            assert_eq!(steps[0], 0);
            assert_eq!(steps[SLICES], 75_000);
            assert!(steps.is_sorted());
        }
        assert_eq!(Curve::whole(u32::MAX).before(SLICES), u32::MAX);
    }

    #[test]
    fn some_locations_are_done_before_others_begin() {
        let curves: Vec<Curve> = (0..58).map(|unit| Curve::of(10_000, 1, unit)).collect();
        let middle = SLICES / 2;
        assert!(curves.iter().any(|curve| curve.before(middle) == 0));
        assert!(curves.iter().any(|curve| curve.before(middle) == 10_000));
    }
}
