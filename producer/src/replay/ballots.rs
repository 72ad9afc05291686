//! The ballots of an election by number: where, for whom, and by which voter.
//!
//! Comes in as sums; any ballot is computed from its place in its location's order, so none is
//! stored. Never makes more or fewer of a kind than the sums say.

use crate::election::{Choice, Election};

use super::curve::Curve;
use super::hash::{Purpose, draw, to_below};
use super::permutation::Permutation;
use super::plan::{Plan, Role, Step};
use super::{Form, Planned};

/// How far apart in sending two votes of one moment may be.
const JITTER_MS: u64 = 3_000;

/// All ballots that count, computed when asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ballots {
    seed: u64,
    total: u64,
    units: Vec<Order>,
}

/// One location's ballots in their order.
#[derive(Clone, Debug)]
struct Order {
    /// How many ballots the locations before it have.
    first: u64,
    curve: Curve,
    permutation: Permutation,
    /// For each choice, the number of its location's ballots up to its last, and the choice.
    upto: Vec<(u32, u32)>,
}

/// A ballot drawn for a slice: its location and its place in the location's order.
pub(crate) type Drawn = (u32, u32);

impl Ballots {
    pub(crate) fn new(election: &Election, seed: u64) -> Ballots {
        let blank = election.register.candidates.len() as u32;
        let mut first = 0;
        let is_alone = election.units.len() == 1;
        let units = (0..).zip(&election.units).map(|(number, unit)| {
            let upto = cumulated(&unit.sums, blank);
            let total = upto.last().map_or(0, |(upto, _)| *upto);
            let order = Order {
                first,
                curve: match is_alone {
                    true => Curve::whole(total),
                    false => Curve::of(total, seed, number),
                },
                permutation: Permutation::new(total, draw(seed, Purpose::Order, number)),
                upto,
            };
            first += u64::from(total);
            order
        });
        let units = units.collect();
        Ballots {
            seed,
            total: first,
            units,
        }
    }

    /// How many ballots have come before a slice.
    pub(crate) fn before(&self, slice: usize) -> u64 {
        let units = self.units.iter();
        units.map(|unit| u64::from(unit.curve.before(slice))).sum()
    }

    /// The ballots that come in a slice, by location.
    pub(crate) fn of_slice(&self, slice: usize) -> Vec<Drawn> {
        let mut drawn = Vec::new();
        for (unit, order) in (0..).zip(&self.units) {
            let places = order.curve.before(slice)..order.curve.before(slice + 1);
            drawn.extend(places.map(|place| (unit, place)));
        }
        drawn
    }

    /// The message that a step of the plan makes of a ballot.
    pub(crate) fn message(&self, plan: &Plan, slice: usize, step: Step, drawn: Drawn) -> Planned {
        let order = &self.units[drawn.0 as usize];
        let number = order.permutation.apply(drawn.1);
        let counting = order.upto.partition_point(|(upto, _)| *upto <= number);
        let ballot = order.first + u64::from(number);
        let is_other = matches!(step.role, Role::Other | Role::Stray);
        let choice = if is_other {
            self.other_choice(order, counting, ballot)
        } else {
            counting
        };
        // Voters without a ballot are numbered after those with one.
        let is_stray = matches!(step.role, Role::Stray | Role::StrayVoid);
        let voter = if is_stray {
            self.total + ballot
        } else {
            ballot
        };
        let random = draw(self.seed, Purpose::Time, voter);
        let cast_ms = plan.time_ms(slice + step.cast_after, random);
        let sent_ms = if step.sent_after == step.cast_after {
            cast_ms + to_below(random << 32, JITTER_MS) as u32
        } else {
            plan.time_ms(slice + step.sent_after, random.rotate_left(17))
        };
        Planned {
            sent_ms,
            cast_ms,
            voter,
            unit: drawn.0,
            choice: order.upto[choice].1,
            form: match step.role {
                Role::Copy => Form::Copy,
                Role::Other | Role::Stray => Form::Extra,
                Role::Void | Role::StrayVoid => Form::Void,
                Role::Final | Role::Malformed => Form::Cast,
            },
        }
    }

    /// Another choice that was made in that location, if there is one.
    fn other_choice(&self, order: &Order, counting: usize, ballot: u64) -> usize {
        let choices = order.upto.len() as u64;
        if choices == 1 {
            return counting;
        }
        let step = 1 + to_below(draw(self.seed, Purpose::OtherChoice, ballot), choices - 1);
        (counting + step as usize) % order.upto.len()
    }
}

fn cumulated(sums: &[(Choice, u64)], blank: u32) -> Vec<(u32, u32)> {
    let mut upto = 0;
    let cumulated = sums.iter().map(|(choice, votes)| {
        // The election has checked that a location's votes fit.
        upto += *votes as u32;
        (upto, choice.unwrap_or(blank))
    });
    cumulated.collect()
}
