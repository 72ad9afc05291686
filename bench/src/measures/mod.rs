//! The measures, one a file.

use crate::cli::Args;
use crate::race::{Contestant, race};
use crate::report::{Report, Row};
use crate::service::Shape;
use crate::stage::Stage;
use crate::topic::Filling;

mod checkpoint;
mod core;
mod corrections;
mod database;
mod growth;
mod hostile;
mod idle;
mod latency;
mod memory;
mod rate;
mod restart;
mod skew;
mod stall;
mod streams;
mod uk;

/// A measure by its name.
pub struct Measure {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&Stage, &Args) -> anyhow::Result<Report>,
    /// Whether it has a small form; else `--quick` leaves it out unless it is named.
    pub is_ever_quick: bool,
}

/// All of them, the most important first.
pub const ALL: [Measure; 15] = [
    named("rate", rate::measure),
    Measure {
        is_ever_quick: false,
        ..named("uk", uk::measure)
    },
    named("streams", streams::measure),
    named("latency", latency::measure),
    named("restart", restart::measure),
    named("checkpoint", checkpoint::measure),
    named("skew", skew::measure),
    named("corrections", corrections::measure),
    named("database", database::measure),
    named("memory", memory::measure),
    named("stall", stall::measure),
    named("growth", growth::measure),
    named("idle", idle::measure),
    named("hostile", hostile::measure),
    named("core", core::measure),
];

const fn named(name: &'static str, run: fn(&Stage, &Args) -> anyhow::Result<Report>) -> Measure {
    Measure {
        name,
        run,
        is_ever_quick: true,
    }
}

/// One shape over several topics, in turn within each round; a row for each topic.
fn side_by_side(
    stage: &Stage,
    prefix: &str,
    cases: &[(&str, Filling)],
    shape: &Shape,
    runs: usize,
) -> anyhow::Result<Vec<Row>> {
    let mut topics = Vec::new();
    for (number, (_, filling)) in cases.iter().enumerate() {
        topics.push(stage.fill(&format!("{prefix}-{number}"), filling)?);
    }
    // What is read first warms the broker up: it is nobody's time.
    if let Some(topic) = topics.first() {
        shape.run(stage, topic)?;
    }
    let mut rows: Vec<Row> = cases.iter().map(|(name, _)| Row::new(*name)).collect();
    for _ in 0..runs {
        for (topic, row) in topics.iter().zip(&mut rows) {
            let contestant: [Box<dyn Contestant>; 1] = [Box::new(shape.clone())];
            let found = race(stage, topic, &contestant, 1)?;
            found.into_iter().for_each(|found| row.add(found));
        }
    }
    topics
        .iter()
        .for_each(|topic| stage.delete_topic(&topic.name));
    Ok(rows)
}
