//! An election as a stream of messages: pulled in batches, the same for the same seed.
//!
//! Comes in as an election, a seed and shares of what goes wrong; goes out as bytes with the
//! totals that they must make. The evening is cut into slices: only the ballots of one slice and
//! the corrections still to come are held, so that memory does not grow with the election. Asks no
//! clock and no system for anything.

use std::collections::VecDeque;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::batch::Batch;
use crate::election::Election;
use crate::expected::Expected;

use ballots::Ballots;
use plan::{DELAY_MAX, Plan, Role, SLICES};
use text::Texts;

pub(crate) use plan::PlanTotals;
pub use shares::{OptionsError, Shares};

mod ballots;
mod curve;
mod hash;
pub(crate) mod malformed;
mod permutation;
mod plan;
mod shares;
mod text;

/// How an election is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Decides order, times, ids and what goes wrong with whom. Another seed means other voters.
    pub seed: u64,
    /// What goes wrong.
    pub shares: Shares,
    /// Whether every event names its contest; needed where it is not the server's default.
    pub names_contest: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            shares: Shares::default(),
            names_contest: false,
        }
    }
}

/// The messages of an election, in the order of their sending.
#[derive(Clone, Debug)]
pub struct Replay {
    plan: Plan,
    ballots: Ballots,
    texts: Texts,
    expected: Expected,
    /// The slice whose messages come after the ready ones.
    slice: usize,
    /// Messages of that slice and those after it that earlier slices have caused.
    pending: VecDeque<Vec<Planned>>,
    /// The current slice's messages in order.
    ready: Vec<Planned>,
    /// The first of them that is not out yet.
    next: usize,
    position: u64,
}

/// A message of which everything is decided but its bytes. Ordered by when it is sent; the rest
/// of the order only makes it total, so that it is the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Planned {
    /// When it is sent, in milliseconds from the start of the evening.
    pub(crate) sent_ms: u32,
    /// Its event time likewise.
    pub(crate) cast_ms: u32,
    /// Number of the voter; of a malformed message its own number.
    pub(crate) voter: u64,
    pub(crate) unit: u32,
    /// A place in the candidates; past their end: blank.
    pub(crate) choice: u32,
    pub(crate) form: Form,
}

/// What kind of message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// The cast that counts.
    Cast,
    /// The same, equal as a value, its timestamp perhaps in the other spelling.
    Copy,
    /// Another cast of the same voter.
    Extra,
    /// A void of that other cast.
    Void,
    /// No valid event.
    Malformed,
}

impl Replay {
    /// Prepares the telling of an election. Fails if the shares cannot be had together.
    pub fn new(election: &Election, options: &Options) -> Result<Replay, OptionsError> {
        options.shares.check(&election.contest().revote)?;
        let counts_last = election.contest().revote != "first";
        let ballots = Ballots::new(election, options.seed);
        let plan = Plan::new(election, &ballots, options, counts_last);
        let expected = Expected::new(election, &plan.totals());
        Ok(Replay {
            texts: Texts::new(election, options),
            ballots,
            plan,
            expected,
            slice: 0,
            pending: VecDeque::new(),
            ready: Vec::new(),
            next: 0,
            position: 0,
        })
    }

    /// How many messages there are from the first to the last.
    pub fn messages_total(&self) -> u64 {
        self.expected.totals.messages
    }

    /// How many are out or skipped.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What must come out once a server has counted all messages.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Puts the next messages into an emptied batch, at most `messages_max`, and says how many.
    /// Zero: the election is told.
    pub fn fill(&mut self, batch: &mut Batch, messages_max: usize) -> usize {
        batch.clear();
        while batch.len() < messages_max {
            if self.next == self.ready.len() {
                if self.slice == SLICES + DELAY_MAX {
                    break;
                }
                self.advance();
                continue;
            }
            let room = messages_max - batch.len();
            let upto = self.ready.len().min(self.next + room);
            for planned in &self.ready[self.next..upto] {
                self.texts.write(planned, batch);
            }
            self.next = upto;
        }
        self.position += batch.len() as u64;
        batch.len()
    }

    /// Goes on as if the next `messages` had been pulled. Makes none but those of the slices from
    /// which corrections still come.
    pub fn skip(&mut self, messages: u64) {
        let target = self
            .messages_total()
            .min(self.position.saturating_add(messages));
        let (slice, before) = self.plan.slice_of_message(target);
        self.pending.clear();
        self.slice = slice.saturating_sub(DELAY_MAX);
        while self.slice <= slice && self.slice < SLICES + DELAY_MAX {
            self.advance();
        }
        self.next = match target == self.messages_total() {
            true => self.ready.len(),
            false => (target - before) as usize,
        };
        self.position = target;
    }

    /// Makes the next slice's messages the ready ones.
    fn advance(&mut self) {
        self.ready.clear();
        self.next = 0;
        if let Some(due) = self.pending.pop_front() {
            self.ready.extend(due);
        }
        if self.slice < SLICES {
            self.make_slice();
        }
        self.ready.sort_unstable();
        self.slice += 1;
    }

    /// Makes all messages of the ballots that come in this slice, the later ones too.
    fn make_slice(&mut self) {
        let slice = self.slice;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.plan.slice_seed(slice, 0));
        let mut drawn = self.ballots.of_slice(slice);
        shuffle(&mut drawn, &mut random);
        let (plan, ballots) = (&self.plan, &self.ballots);
        let (ready, pending) = (&mut self.ready, &mut self.pending);
        plan.steps(slice, |step| {
            let planned = match step.role {
                Role::Malformed => plan.malformed(slice, step.place),
                _ => ballots.message(plan, slice, step, drawn[step.place as usize]),
            };
            let Some(slices_on) = step.sent_after.checked_sub(1) else {
                ready.push(planned);
                return;
            };
            if pending.len() <= slices_on {
                pending.resize_with(slices_on + 1, Vec::new);
            }
            pending[slices_on].push(planned);
        });
    }
}

/// Fisher and Yates, in the form of Durstenfeld.
fn shuffle<T>(list: &mut [T], random: &mut Xoshiro256PlusPlus) {
    for last in (1..list.len()).rev() {
        list.swap(last, below(random, last as u64 + 1) as usize);
    }
}

/// A number below a bound under 2³². The bias of not rejecting is below one in 2³².
pub(crate) fn below(random: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    ((random.next_u64() >> 32) * bound) >> 32
}
