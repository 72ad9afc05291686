//! What a seed decides before anything starts: the topic, the votes' number and pace, the faults
//! and their moments.
//!
//! The same seed gives the same plan. What then happens is the machine's: how far a process had
//! come when it was killed differs from run to run, and is meant to.

use std::ops::RangeInclusive;

use crate::dice::Dice;

/// Something that is done to the service or to what it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// One process is killed; the others have to end by themselves.
    KillOne,
    /// All processes are killed at once.
    KillAll,
    /// All are killed, and killed again before they have started.
    KillStarting,
    /// A process is stopped for a while, and goes on.
    PauseProcess,
    /// The broker is stopped for a while, and goes on.
    PauseBroker,
    /// The broker is killed and started on what it has on disk.
    KillBroker,
    /// A file of the checkpoint is damaged under the running service, which is then killed.
    DamageUp,
    /// A file of the checkpoint is damaged while nothing runs.
    DamageDown,
    /// For a while no file can grow, as on a disk that is full.
    Full,
    /// The service is ended in order and started with another `-w` and `-n`.
    Reshape,
    /// A candidate is renamed, and one comes whose votes were set aside.
    Register,
    /// The topic gets more partitions.
    Partitions,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 12] = [
        Fault::KillOne,
        Fault::DamageDown,
        Fault::PauseBroker,
        Fault::KillAll,
        Fault::Register,
        Fault::KillBroker,
        Fault::KillStarting,
        Fault::Full,
        Fault::Partitions,
        Fault::DamageUp,
        Fault::Reshape,
        Fault::PauseProcess,
    ];

    /// What it is called in the summary.
    pub fn words(self) -> &'static str {
        match self {
            Fault::KillOne => "one process killed",
            Fault::KillAll => "all processes killed",
            Fault::KillStarting => "killed while starting",
            Fault::PauseProcess => "process paused",
            Fault::PauseBroker => "broker paused",
            Fault::KillBroker => "broker killed",
            Fault::DamageUp => "checkpoint damaged while up",
            Fault::DamageDown => "checkpoint damaged while down",
            Fault::Full => "no file could grow",
            Fault::Reshape => "ended and started with another -w/-n",
            Fault::Register => "register changed",
            Fault::Partitions => "partitions added",
        }
    }
}

/// How many seeds in a row meet every kind of fault at least once.
pub const SEEDS_FOR_ALL: u64 = 5;

/// How many kinds a seed meets by turn; with this, [`SEEDS_FOR_ALL`] seeds meet all.
const BY_TURN: u64 = 3;

/// Faults beyond those by turn.
const MORE_MAX: u64 = 3;

/// The part of the votes during which faults happen, in thousandths of them.
const MOMENTS: RangeInclusive<i64> = 120..=880;

/// A fault and its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// After how many sent events.
    pub after: usize,
    /// What happens.
    pub fault: Fault,
}

/// Threads and processes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `-w`.
    pub workers: u16,
    /// `-n`.
    pub processes: u16,
}

/// How the topic times its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The broker's clock, which never goes back within a partition.
    Append,
    /// The producer's, which here does.
    Create,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// The topic of the votes.
    pub topic: String,
    /// Its partitions at first.
    pub partitions: usize,
    /// Its times.
    pub times: Times,
    /// How many events are sent.
    pub events: usize,
    /// How many a second.
    pub rate_per_s: u64,
    /// `--lateness`.
    pub lateness_ms: i64,
    /// The subscribers' `interval_ms`, by turn.
    pub intervals_ms: [u64; 3],
    /// By moment.
    pub faults: Vec<Moment>,
    /// The first shape.
    pub shape: Shape,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64, processes_max: u16) -> Plan {
        let mut dice = Dice::new(seed, "plan");
        let events = dice.between(2_000, 6_000) as usize;
        let seconds = dice.between(7, 11) as u64;
        Plan {
            seed,
            topic: format!("chaos-{seed}"),
            partitions: dice.between(1, 5) as usize,
            times: if dice.once_in(4) {
                Times::Create
            } else {
                Times::Append
            },
            events,
            rate_per_s: events as u64 / seconds,
            lateness_ms: *dice.pick(&[5_000, 15_000, 60_000]),
            intervals_ms: [0, *dice.pick(&[0, 50]), *dice.pick(&[100, 250])],
            faults: faults(seed, events),
            shape: Shape::roll(&mut Dice::new(seed, "first shape"), processes_max),
        }
    }
}

/// Three kinds by turn, so that seeds in a row meet all, and some more, at moments of their own.
fn faults(seed: u64, events: usize) -> Vec<Moment> {
    let mut dice = Dice::new(seed, "faults");
    let kinds = Fault::ALL.len() as u64;
    let turn = seed.wrapping_mul(BY_TURN) % kinds;
    let mut faults: Vec<Fault> = (0..BY_TURN)
        .map(|place| Fault::ALL[((turn + place) % kinds) as usize])
        .collect();
    for _ in 0..dice.below(MORE_MAX + 1) {
        faults.push(*dice.pick(&Fault::ALL));
    }
    dice.shuffle(&mut faults);
    let mut moments: Vec<i64> = faults
        .iter()
        .map(|_| dice.between(*MOMENTS.start(), *MOMENTS.end()))
        .collect();
    moments.sort_unstable();
    let moment = |(fault, thousandths): (Fault, i64)| Moment {
        after: events * thousandths as usize / 1000,
        fault,
    };
    faults.into_iter().zip(moments).map(moment).collect()
}

impl Shape {
    /// Any shape.
    pub fn roll(dice: &mut Dice, processes_max: u16) -> Shape {
        Shape {
            workers: dice.between(1, 3) as u16,
            processes: dice.between(1, i64::from(processes_max)) as u16,
        }
    }

    /// Any other one.
    pub fn other(self, dice: &mut Dice, processes_max: u16) -> Shape {
        loop {
            let shape = Shape::roll(dice, processes_max);
            if shape != self {
                return shape;
            }
        }
    }
}
