//! Measures tallyflow, side by side with others, on one machine, in one run.
//!
//! ```text
//!  cli ── measures/  one file each
//!           ├─ stage     a broker and a directory of its own
//!           ├─ topic     votes, and what must come out of them
//!           ├─ race      contestants in turn: service, single_loop, peers
//!           └─ report    medians, spread, ratios; a table and JSON
//! ```
//!
//! Absolute figures are those of this machine in this hour; ratios within a run are what it is
//! for. All traffic is on loopback.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Parser;

use cli::{Args, Inner, Program};
use measures::{ALL, Measure};
use report::Report;
use stage::Stage;

mod batches;
#[path = "../../server/tests/broker/mod.rs"]
#[allow(unused_imports)]
mod broker;
mod cli;
mod crowd;
#[path = "../../server/tests/postgres/mod.rs"]
mod database;
#[path = "../../server/tests/chaos/leash.rs"]
mod leash;
mod load;
mod machine;
mod measures;
mod peers;
mod probes;
mod race;
mod report;
mod sample;
mod service;
mod single_loop;
mod stage;
mod subscribers;
mod topic;
mod usage;

// As the service has it, so that the loop has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Above this load others are at work here, and what is measured is them, too.
const LOAD_QUIET: f64 = 0.5;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("loop") {
        let Program::Loop(args) = Inner::parse().what;
        return single_loop::run(&args);
    }
    let args = Args::parse();
    let measures = chosen(&args)?;
    if machine::load() > LOAD_QUIET {
        let load = machine::load();
        eprintln!("the machine is busy (load {load}): the figures will be of little worth");
    }
    let machine = machine::machine(&args.tallyflow);
    let stage = Stage::new(&args.tallyflow, args.before.as_deref(), &args.producer)?;
    for measure in measures {
        let report = (measure.run)(&stage, &args).with_context(|| measure.name)?;
        print!("{report}");
        keep(&report, &machine)?;
        stage.clear()?;
    }
    Ok(())
}

/// The measures that were named; all if none was.
fn chosen(args: &Args) -> anyhow::Result<Vec<&'static Measure>> {
    let names = &args.measures;
    if names.is_empty() {
        let all = ALL.iter();
        return Ok(all.filter(|it| it.is_ever_quick || !args.quick).collect());
    }
    let find = |name: &String| {
        let found = ALL.iter().find(|measure| measure.name == name);
        match found {
            Some(measure) => Ok(measure),
            None => {
                let all: Vec<&str> = ALL.iter().map(|measure| measure.name).collect();
                bail!("there is no measure '{name}'; there are {}", all.join(", "))
            }
        }
    };
    names.iter().map(find).collect()
}

/// Writes the raw values to `bench/results`.
fn keep(report: &Report, machine: &serde_json::Value) -> anyhow::Result<()> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&results).context("making a directory for the results")?;
    let path = results.join(format!("{}.json", report.measure));
    let text = serde_json::to_string_pretty(&report.json(machine.clone()))? + "\n";
    std::fs::write(&path, text).with_context(|| format!("writing '{}'", path.display()))
}
