//! What was typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::single_loop::LoopArgs;

/// Measures tallyflow: against itself, a loop, and what people would otherwise pick.
#[derive(Debug, Parser)]
#[command(name = "bench/run", max_term_width = 100)]
pub struct Args {
    /// What to measure; everything, for hours, if nothing is named
    pub measures: Vec<String>,

    /// How often each contestant runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub runs: u16,

    /// How many votes a topic gets, where the measure leaves it open
    #[arg(long, value_name = "N")]
    pub votes: Option<u64>,

    /// Small and short: to see that all works, not to learn a figure
    #[arg(long)]
    pub quick: bool,

    /// Also what people would otherwise pick (installs it): minutes more
    #[arg(long)]
    pub peers: bool,

    /// The service
    #[arg(long, value_name = "PATH", default_value = "target/dist/tallyflow")]
    pub tallyflow: PathBuf,

    /// Another build of the service, to measure beside: its rows are called `before`
    #[arg(long, value_name = "PATH")]
    pub before: Option<PathBuf>,

    /// The producer
    #[arg(long, value_name = "PATH", default_value = "target/dist/producer")]
    pub producer: PathBuf,
}

/// The programs that this one starts itself as.
#[derive(Debug, Parser)]
pub struct Inner {
    #[command(subcommand)]
    pub what: Program,
}

/// One of them.
#[derive(Debug, Subcommand)]
pub enum Program {
    /// The single-threaded loop.
    Loop(LoopArgs),
}

impl Args {
    /// How often each contestant runs.
    pub fn runs(&self) -> usize {
        if self.quick { 1 } else { self.runs.into() }
    }

    /// How many votes: as typed, else by how short it should be.
    pub fn votes(&self, usual: u64, quick: u64) -> u64 {
        self.votes.unwrap_or(if self.quick { quick } else { usual })
    }
}
