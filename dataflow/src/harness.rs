//! Runs the whole core over given steps, for tests and benches: no shell, no clock, no log.

use std::sync::Arc;

use crate::register::Register;
use crate::view::Publication;
use part::Saved;

mod part;

/// What the counting depends on besides messages and registers, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The allowed lateness.
    pub lateness_ms: i64,
    /// How long cells are served apart.
    pub horizon_ms: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lateness_ms: 60_000,
            horizon_ms: 86_400_000,
        }
    }
}

/// A message: partition, offset, log time, bytes.
pub type Message = (u32, i64, Option<i64>, Vec<u8>);

/// What comes in before a tick closes.
#[derive(Clone, Debug)]
pub struct Step {
    /// In force from this tick on; it must have been checked.
    pub register: Option<Arc<Register>>,
    /// In offset order for each partition.
    pub messages: Vec<Message>,
    /// The tick that closes.
    pub tick: u64,
}

/// Runs the steps with a number of workers and gives what each tick publishes. The first step has
/// a register.
pub fn run(
    workers: usize,
    partitions: u32,
    settings: Settings,
    steps: Vec<Step>,
) -> Vec<Publication> {
    let part = Part {
        workers,
        steps,
        lost: Vec::new(),
    };
    run_in_parts(partitions, settings, vec![part])
}

/// What runs from one start to the next crash.
#[derive(Clone, Debug)]
pub struct Part {
    /// The number of workers.
    pub workers: usize,
    /// What is published; the last step is cut.
    pub steps: Vec<Step>,
    /// What comes before the crash and after the cut, of which nothing may be left.
    pub lost: Vec<Step>,
}

/// The same in parts: at the end of a part everything ends but what a checkpoint keeps, and the
/// next part goes on from that.
pub fn run_in_parts(partitions: u32, settings: Settings, parts: Vec<Part>) -> Vec<Publication> {
    let mut published = Vec::new();
    let mut saved: Option<Saved> = None;
    for part in parts {
        let (of_part, next) = part::run(partitions, settings, part, saved.take());
        published.extend(of_part);
        saved = Some(next);
    }
    published
}
