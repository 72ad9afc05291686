//! When each message of a replay is sent, before it is known what it says.
//!
//! Comes in as counts by slice; goes out as steps: this ballot of that slice is a late one, its
//! copy comes so many slices later. Totals follow from it by adding up. Knows no bytes.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::election::Election;

use super::ballots::Ballots;
use super::hash::{Purpose, draw};
use super::shares::part_of;
use super::{Form, Options, Planned, below};

/// An evening has so many slices: fine enough for a smooth curve, and each fits a processor's
/// cache even for 32 million ballots.
pub(crate) const SLICES: usize = 1440;

/// No correction comes more slices after its vote than this; a sixth of the evening.
pub(crate) const DELAY_MAX: usize = 240;

const REVOTE_DELAY_MAX: u64 = 90;
const VOID_DELAY_MAX: u64 = 90;
const RECAST_DELAY_MAX: u64 = 60;
const LATE_DELAY_MAX: u64 = 180;
const COPY_DELAY_MAX: u64 = 60;
const _: () = assert!((LATE_DELAY_MAX + COPY_DELAY_MAX) as usize <= DELAY_MAX);
const _: () = assert!((VOID_DELAY_MAX + RECAST_DELAY_MAX + COPY_DELAY_MAX) as usize <= DELAY_MAX);

/// A late vote is at least so late; twice what a server allows by default.
const LATE_MS_MIN: i64 = 120_000;

/// What a message is to its ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The cast that counts.
    Final,
    /// Its identical copy.
    Copy,
    /// A cast of the same voter that another supersedes or a void takes away.
    Other,
    /// The void of that cast.
    Void,
    /// A cast of a voter who has no ballot in the end.
    Stray,
    /// Its void.
    StrayVoid,
    /// No event at all.
    Malformed,
}

/// One message: of which ballot, and how many slices after it the message is cast and sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) role: Role,
    /// The ballot's place in its slice; a malformed message's own place.
    pub(crate) place: u32,
    pub(crate) cast_after: usize,
    pub(crate) sent_after: usize,
}

/// How much of what a slice, or the whole, has. Ballots are by what happens to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlanTotals {
    pub(crate) ballots: u64,
    /// Ballots whose voter also casts something that is superseded.
    pub(crate) revotes: u64,
    /// Ballots cast anew after a void.
    pub(crate) recasts: u64,
    pub(crate) late: u64,
    pub(crate) duplicates: u64,
    /// Voided casts of voters without a ballot.
    pub(crate) strays: u64,
    pub(crate) malformed: u64,
}

/// The plan of a replay.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    seed: u64,
    counts_last: bool,
    late_delay_min: u64,
    pub(crate) slice_ms: u32,
    /// What comes before each slice, and at the end what comes at all.
    before: Vec<PlanTotals>,
}

impl Plan {
    pub(crate) fn new(
        election: &Election,
        ballots: &Ballots,
        options: &Options,
        counts_last: bool,
    ) -> Plan {
        let slice_ms = election.evening().length_ms / SLICES as i64;
        Plan {
            seed: options.seed,
            counts_last,
            late_delay_min: (LATE_MS_MIN / slice_ms + 2).min(LATE_DELAY_MAX as i64) as u64,
            slice_ms: slice_ms as u32,
            before: running_totals(ballots, options),
        }
    }

    pub(crate) fn totals(&self) -> PlanTotals {
        self.before[SLICES]
    }

    /// The seed of one slice's draws; `stream` keeps independent uses apart.
    pub(crate) fn slice_seed(&self, slice: usize, stream: u64) -> u64 {
        draw(self.seed, Purpose::Slice, slice as u64 * 2 + stream)
    }

    /// Names every message that the ballots of a slice cause.
    pub(crate) fn steps(&self, slice: usize, mut each: impl FnMut(Step)) {
        let [from, upto] = [self.before[slice], self.before[slice + 1]];
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.slice_seed(slice, 1));
        let revotes = upto.revotes - from.revotes;
        let recasts = revotes + upto.recasts - from.recasts;
        let late = recasts + upto.late - from.late;
        let ballots = upto.ballots - from.ballots;
        let duplicates = upto.duplicates - from.duplicates;
        for place in 0..ballots {
            let mut step = |role, cast_after, sent_after| {
                each(Step {
                    role,
                    place: place as u32,
                    cast_after: cast_after as usize,
                    sent_after: sent_after as usize,
                });
            };
            let (cast_after, sent_after) = if place < revotes {
                let delay = 1 + below(&mut random, REVOTE_DELAY_MAX);
                let (other, counting) = if self.counts_last {
                    (0, delay)
                } else {
                    (delay, 0)
                };
                step(Role::Other, other, other);
                (counting, counting)
            } else if place < recasts {
                let voided = 1 + below(&mut random, VOID_DELAY_MAX);
                let recast = voided + below(&mut random, RECAST_DELAY_MAX);
                step(Role::Other, 0, 0);
                step(Role::Void, voided, voided);
                (recast, recast)
            } else if place < late {
                let span = LATE_DELAY_MAX + 1 - self.late_delay_min;
                (0, self.late_delay_min + below(&mut random, span))
            } else {
                (0, 0)
            };
            step(Role::Final, cast_after, sent_after);
            // Spread evenly over the places, so that all kinds of ballots have copies.
            if (place + 1) * duplicates / ballots > place * duplicates / ballots {
                let copied = sent_after + below(&mut random, COPY_DELAY_MAX);
                step(Role::Copy, cast_after, copied);
            }
        }
        self.steps_beside_ballots(slice, &mut random, &mut each);
    }

    /// The messages of voters without a ballot, and those of nobody.
    fn steps_beside_ballots(
        &self,
        slice: usize,
        random: &mut Xoshiro256PlusPlus,
        each: &mut impl FnMut(Step),
    ) {
        let [from, upto] = [self.before[slice], self.before[slice + 1]];
        for number in from.strays..upto.strays {
            let delay = below(random, VOID_DELAY_MAX) as usize;
            // Every second void comes before the vote that it is for.
            let (cast, void) = if number % 2 == 0 {
                (0, delay)
            } else {
                (delay, 0)
            };
            for (role, after) in [(Role::Stray, cast), (Role::StrayVoid, void)] {
                each(Step {
                    role,
                    place: (number - from.strays) as u32,
                    cast_after: after,
                    sent_after: after,
                });
            }
        }
        for place in 0..upto.malformed - from.malformed {
            each(Step {
                role: Role::Malformed,
                place: place as u32,
                cast_after: 0,
                sent_after: 0,
            });
        }
    }

    /// A malformed message, by its place in its slice.
    pub(crate) fn malformed(&self, slice: usize, place: u32) -> Planned {
        let number = self.before[slice].malformed + u64::from(place);
        let at_ms = self.time_ms(slice, draw(self.seed, Purpose::Time, !number));
        Planned {
            sent_ms: at_ms,
            cast_ms: at_ms,
            voter: number,
            unit: 0,
            choice: 0,
            form: Form::Malformed,
        }
    }

    /// A time within a slice, in milliseconds from the start of the evening.
    pub(crate) fn time_ms(&self, slice: usize, draw: u64) -> u32 {
        let within = super::hash::to_below(draw, u64::from(self.slice_ms));
        slice as u32 * self.slice_ms + within as u32
    }

    /// In which slice the message of a number is sent, and how many are sent before that slice.
    pub(crate) fn slice_of_message(&self, number: u64) -> (usize, u64) {
        let mut sent = vec![0_u64; SLICES + DELAY_MAX];
        let mut before = 0;
        for slice in 0..SLICES + DELAY_MAX {
            if slice < SLICES {
                self.steps(slice, |step| sent[slice + step.sent_after] += 1);
            }
            if number < before + sent[slice] {
                return (slice, before);
            }
            before += sent[slice];
        }
        (SLICES + DELAY_MAX, before)
    }
}

/// Decides how much of what each slice has, so that the whole has the shares asked for.
fn running_totals(ballots: &Ballots, options: &Options) -> Vec<PlanTotals> {
    let shares = &options.shares;
    let mut before = vec![PlanTotals::default()];
    for slice in 1..=SLICES {
        let told = ballots.before(slice);
        let voids = part_of(shares.voids, told);
        let last = before[slice - 1];
        // A ballot is one of these only: what does not fit into this slice goes into the next.
        let mut room = told - last.ballots;
        let mut take = |wanted: u64, had: u64| {
            let taken = (wanted - had).min(room);
            room -= taken;
            had + taken
        };
        before.push(PlanTotals {
            ballots: told,
            revotes: take(part_of(shares.revotes, told), last.revotes),
            recasts: take(voids / 2, last.recasts),
            late: take(part_of(shares.late, told), last.late),
            duplicates: part_of(shares.duplicates, told),
            strays: voids - voids / 2,
            malformed: part_of(shares.malformed, told),
        });
    }
    before
}
