//! The command `producer`: replays an election, simulates one, or prints a register.
//!
//! Comes in as a command line; goes out as votes to a target and as the totals that must come
//! out. Counts nothing itself.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

mod command;
mod report;
mod run;

fn main() -> ExitCode {
    match run::run(command::Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // That nobody can read it changes nothing of what was done.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
