//! What goes wrong in a replay, by share of its ballots.
//!
//! Comes in as fractions; goes on, checked, to the plan as whole numbers. Never rounds up.

/// Shares of the ballots, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Casts that come a second time, equal in everything.
    pub duplicates: f64,
    /// Voters who cast something else as well, which the contest's rule supersedes.
    pub revotes: f64,
    /// Votes that are voided: half of them are cast anew by their voter, half are nobody's.
    pub voids: f64,
    /// Casts that are sent much later than their timestamp says.
    pub late: f64,
    /// Messages that are no valid event, in addition.
    pub malformed: f64,
}

/// Why a replay cannot be had with these options.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// A share that is none.
    #[error("the share of {name} is {share}; give a number from 0 to 1, such as 0.01")]
    Share {
        /// Which.
        name: &'static str,
        /// As given.
        share: f64,
    },
    /// More goes wrong than there are ballots.
    #[error(
        "the shares of revotes, late and half of the voids add up to {sum}; a ballot is at most one \
         of these, so let them add up to at most 1"
    )]
    TooMuch {
        /// What they add up to.
        sum: f64,
    },
    /// A contest in which every cast counts has no votes to supersede.
    #[error(
        "the contest counts every cast (revote = \"all\"), so a revote would change the totals; \
         leave revotes out, or let the contest count the first or the last"
    )]
    RevotesCount,
}

impl Shares {
    /// Checks that the shares can be had together, under a contest's revote rule.
    pub(crate) fn check(&self, revote: &str) -> Result<(), OptionsError> {
        for (name, share) in [
            ("duplicates", self.duplicates),
            ("revotes", self.revotes),
            ("voids", self.voids),
            ("late", self.late),
            ("malformed", self.malformed),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(OptionsError::Share { name, share });
            }
        }
        let sum = self.revotes + self.voids / 2.0 + self.late;
        if sum > 1.0 {
            return Err(OptionsError::TooMuch { sum });
        }
        if revote == "all" && self.revotes > 0.0 {
            return Err(OptionsError::RevotesCount);
        }
        Ok(())
    }
}

/// How many of the first `ballots` a share is: whole, never decreasing in `ballots`.
pub(crate) fn part_of(share: f64, ballots: u64) -> u64 {
    // A share is exact in 2⁻³² steps, so that only whole numbers decide.
    let share_32 = (share * 4_294_967_296.0).round() as u128;
    ((u128::from(ballots) * share_32) >> 32) as u64
}
