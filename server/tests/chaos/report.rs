//! What was asked for, what came of each seed, and the table of it all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::plan::{Fault, SEEDS_FOR_ALL};

/// How many objections of a seed are shown.
const OBJECTIONS_SHOWN: usize = 15;

/// What holds for all seeds.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service's binary.
    pub binary: PathBuf,
    /// The most processes.
    pub processes_max: u16,
    /// Whether to tell the story as it happens.
    pub verbose: bool,
}

/// What came of a seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Events that were to be sent.
    pub events: usize,
    /// Messages that the topic held at the end.
    pub messages: usize,
    /// Votes acknowledged over HTTP.
    pub acknowledged: usize,
    /// Transactions committed and aborted.
    pub transactions: (u64, u64),
    /// How often each fault really happened.
    pub faults: BTreeMap<Fault, u64>,
    /// Starts after the first.
    pub restarts: u64,
    /// Of them, those after the service had ended by itself.
    pub own_ends: u64,
    /// Frames that were checked.
    pub frames: u64,
    /// Statuses that were checked.
    pub statuses: u64,
    /// How long it took.
    pub seconds: f64,
    /// What was wrong.
    pub objections: Vec<String>,
    /// What happened, by time.
    pub story: Vec<String>,
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn new(seed: u64) -> Outcome {
        Outcome {
            seed,
            ..Outcome::default()
        }
    }

    /// Says at once how a seed went.
    pub fn print(&self) {
        if self.objections.is_empty() {
            println!("seed {} is right, after {:.1} s", self.seed, self.seconds);
            return;
        }
        println!("seed {} is WRONG. What happened:", self.seed);
        for line in &self.story {
            println!("  {line}");
        }
        println!("What is wrong:");
        for objection in self.objections.iter().take(OBJECTIONS_SHOWN) {
            println!("  - {objection}");
        }
        let more = self.objections.len().saturating_sub(OBJECTIONS_SHOWN);
        if more > 0 {
            println!("  and {more} more");
        }
        println!(
            "Run it again: cargo test -p server --test chaos -- --first-seed {} --seeds 1 --verbose",
            self.seed
        );
    }
}

/// Prints the table and says whether all is right.
pub fn conclude(outcomes: &[Outcome]) -> bool {
    println!();
    println!(
        "{:>6} {:>7} {:>8} {:>6} {:>11} {:>8} {:>8} {:>8} {:>9} {:>7}  faults",
        "seed",
        "events",
        "messages",
        "http",
        "txn ok/not",
        "restarts",
        "own ends",
        "frames",
        "statuses",
        "seconds"
    );
    for outcome in outcomes {
        let faults = outcome.faults.iter();
        let faults: Vec<String> = faults
            .map(|(fault, times)| match times {
                1 => fault.words().to_string(),
                _ => format!("{} ×{times}", fault.words()),
            })
            .collect();
        println!(
            "{:>6} {:>7} {:>8} {:>6} {:>11} {:>8} {:>8} {:>8} {:>9} {:>7.1}  {}{}",
            outcome.seed,
            outcome.events,
            outcome.messages,
            outcome.acknowledged,
            format!("{}/{}", outcome.transactions.0, outcome.transactions.1),
            outcome.restarts,
            outcome.own_ends,
            outcome.frames,
            outcome.statuses,
            outcome.seconds,
            faults.join(", "),
            if outcome.objections.is_empty() {
                ""
            } else {
                "  WRONG"
            }
        );
    }
    print_totals(outcomes);
    let wrong: Vec<u64> = outcomes
        .iter()
        .filter(|outcome| !outcome.objections.is_empty())
        .map(|outcome| outcome.seed)
        .collect();
    if !wrong.is_empty() {
        println!("wrong: seeds {wrong:?}");
    }
    wrong.is_empty() & has_met_all(outcomes)
}

fn print_totals(outcomes: &[Outcome]) {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "in all: {} seeds, {} messages, {} restarts, {} frames and {} statuses checked, {:.0} s",
        outcomes.len(),
        sum(|outcome| outcome.messages as u64),
        sum(|outcome| outcome.restarts),
        sum(|outcome| outcome.frames),
        sum(|outcome| outcome.statuses),
        outcomes.iter().map(|outcome| outcome.seconds).sum::<f64>()
    );
    for fault in Fault::ALL {
        println!("{:>6} × {}", times(outcomes, fault), fault.words());
    }
}

fn times(outcomes: &[Outcome], fault: Fault) -> u64 {
    let times = outcomes.iter().map(|outcome| outcome.faults.get(&fault));
    times.flatten().sum()
}

/// A fault that never happens, or a stream that is never read, tests nothing.
fn has_met_all(outcomes: &[Outcome]) -> bool {
    let mut met = true;
    if outcomes.len() as u64 >= SEEDS_FOR_ALL {
        for fault in Fault::ALL {
            if times(outcomes, fault) == 0 {
                println!("wrong: '{}' never happened", fault.words());
                met = false;
            }
        }
    }
    for (name, none) in [
        ("frame", outcomes.iter().all(|outcome| outcome.frames == 0)),
        (
            "vote over HTTP",
            outcomes.iter().all(|outcome| outcome.acknowledged == 0),
        ),
        (
            "aborted transaction",
            outcomes.iter().all(|outcome| outcome.transactions.1 == 0),
        ),
    ] {
        if none && !outcomes.is_empty() {
            println!("wrong: there was no {name}");
            met = false;
        }
    }
    met
}
