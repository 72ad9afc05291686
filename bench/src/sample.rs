//! The values of one figure over several runs: median, least, most, percentiles.
//!
//! Comes in as numbers in the order of the runs and keeps that order, so that figures of one
//! round can be set against each other; knows nothing of units.

/// Values in the order of the runs; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// A sample, if there is a value that is a number.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Option<Sample> {
        let values: Vec<f64> = values.into_iter().collect();
        let sound = !values.is_empty() && values.iter().all(|value| value.is_finite());
        sound.then_some(Sample(values))
    }

    /// In the order of the runs.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The middle one; of an even number the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        }
    }

    /// The least.
    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The most.
    pub fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The value below which a share of the values lies (nearest rank).
    pub fn percentile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    /// Run by run as a ratio to another sample of as many runs: what disturbs one round disturbs
    /// both. Of unlike numbers of runs, to the other's median.
    pub fn ratio_to(&self, base: &Sample) -> Option<Sample> {
        if self.0.len() == base.0.len() {
            let pairs = self.0.iter().zip(&base.0);
            Sample::new(pairs.map(|(value, base)| value / base))
        } else {
            let base = base.median();
            Sample::new(self.0.iter().map(|value| value / base))
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::new(values.iter().copied()).expect("there are values")
    }

    #[test]
    fn medians_and_spread_do_not_depend_on_order() {
        let odd = sample(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median(), odd.least(), odd.most()), (2.0, 1.0, 3.0));
        assert_eq!(sample(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(Sample::new([]), None);
        assert_eq!(Sample::new([f64::NAN]), None);
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let hundred = sample(&(1..=100).map(f64::from).collect::<Vec<f64>>());
        for (share, value) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(hundred.percentile(share), value);
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ratio = sample(&[2.0, 40.0]).ratio_to(&sample(&[1.0, 10.0]));
        assert_eq!(ratio, Some(sample(&[2.0, 4.0])));
        let unlike = sample(&[2.0]).ratio_to(&sample(&[1.0, 1.0, 4.0]));
        assert_eq!(unlike, Some(sample(&[2.0])));
    }
}
