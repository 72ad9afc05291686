//! The chaos test: the real binary, a real broker, a stream of hostile votes, and faults at
//! seeded moments. At the end all outcomes, the refused topic and both aggregate topics equal a
//! naive recount of what is in the topic; on the way every frame agrees in itself, and nothing
//! that was published is taken back by anybody.
//!
//! ```text
//! cargo test -p server --test chaos -- --seeds 20 --first-seed 1
//! ```
//!
//! It is able to fail. A build that saves the offsets before the state loses votes in a crash,
//! and this finds it within a few seeds:
//!
//! ```text
//! cargo test -p server --features broken-checkpoint --test chaos -- --seeds 5
//! ```
//!
//! ```text
//!  plan.rs ──▶ seed.rs ──▶ faults.rs ──▶ service.rs, broker, damage.rs
//!                │ events.rs ─▶ feeder.rs, post.rs ──▶ the topic
//!                │ subscriber.rs ──▶ laws.rs, witness.rs
//!                └ verdict.rs ──▶ topic.rs, ask.rs ──▶ judge.rs ◀── the oracle
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use broker::Broker;
use clap::Parser;
use leash::Leash;
use report::Options;
use stream::Event;

mod ask;
mod board;
#[allow(unused_imports, reason = "other tests use the rest")]
#[path = "../broker/mod.rs"]
mod broker;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../end_to_end/support/client.rs"]
mod client;
mod damage;
mod dice;
#[path = "../../../dataflow/tests/difference/mod.rs"]
mod difference;
mod events;
mod faults;
mod feeder;
mod judge;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../end_to_end/support/laws.rs"]
mod laws;
mod leash;
mod odd;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../../dataflow/tests/oracle/mod.rs"]
mod oracle;
mod plan;
mod post;
mod registers;
mod report;
mod seed;
mod service;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../end_to_end/support/stream.rs"]
mod stream;
mod subscriber;
mod topic;
mod verdict;
mod witness;

/// How long an answer or the next event may take; signs of life come every 5 s, pauses are 3 s.
const DEADLINE: Duration = Duration::from_secs(20);

/// Faults at seeded moments against the real service and a real broker.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_seed: u64,
    /// Keep the directory of every seed; that of a wrong one is always kept
    #[arg(long)]
    keep: bool,
    /// Tell the story while it happens
    #[arg(long)]
    verbose: bool,
    /// The most processes
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4))]
    processes_max: u16,
    /// The service's binary
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_tallyflow"))]
    binary: PathBuf,
    /// Only if this is part of 'chaos', as for any other test
    filters: Vec<String>,
    #[command(flatten)]
    harness: Harness,
}

/// What cargo's test harness knows and cargo may pass on to all tests alike.
#[derive(Debug, clap::Args)]
struct Harness {
    #[arg(long, hide = true)]
    list: bool,
    #[arg(long, hide = true)]
    ignored: bool,
    #[arg(long, hide = true)]
    include_ignored: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    no_capture: bool,
    #[arg(long, short, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(long, hide = true)]
    skip: Vec<String>,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, hide = true)]
    color: Option<String>,
}

impl Args {
    /// Whether another test is meant.
    fn means_others(&self) -> bool {
        let skipped = self.harness.skip.iter().any(|part| "chaos".contains(part));
        let chosen = self.filters.iter().any(|part| "chaos".contains(part));
        self.harness.ignored || skipped || !(self.filters.is_empty() || chosen)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.harness.list {
        println!("chaos: test");
        return ExitCode::SUCCESS;
    }
    if args.means_others() {
        return ExitCode::SUCCESS;
    }
    quieten_subscribers();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the chaos test could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all seeds and says whether all is right.
fn run(args: &Args) -> anyhow::Result<bool> {
    let options = Options {
        binary: args.binary.clone(),
        processes_max: args.processes_max,
        verbose: args.verbose,
    };
    let leash = Arc::new(Leash::new()?);
    let mut broker = Broker::start();
    let mut outcomes = Vec::new();
    for seed in args.first_seed..args.first_seed + args.seeds {
        let home = tempfile::Builder::new()
            .prefix(&format!("chaos-{seed}-"))
            .tempdir()
            .context("making a directory for a seed")?;
        let outcome = seed::run(seed, &options, home.path(), &mut broker, &leash);
        outcome.print();
        if args.keep || !outcome.objections.is_empty() {
            println!("its directory: {}", home.keep().display());
        }
        outcomes.push(outcome);
    }
    Ok(report::conclude(&outcomes))
}

/// What a subscriber finds wrong is told with its seed, not at once.
fn quieten_subscribers() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(subscriber::THREADS) {
            loud(panic);
        }
    }));
}

/// The wall clock, in milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
