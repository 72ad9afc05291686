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
    run_in_parts(partitions, settings, vec![(workers, steps)])
}

/// The same in parts, each with a number of workers of its own: at the end of a part everything
/// ends but what a checkpoint keeps, and the next part goes on from that.
pub fn run_in_parts(
    partitions: u32,
    settings: Settings,
    parts: Vec<(usize, Vec<Step>)>,
) -> Vec<Publication> {
    let mut published = Vec::new();
    let mut saved: Option<Saved> = None;
    for (workers, steps) in parts {
        let (part, next) = part::run(workers, partitions, settings, steps, saved.take());
        published.extend(part);
        saved = Some(next);
    }
    published
}
