//! tallyflow: counts votes while they are cast.
//!
//! ```text
//!  cli → plan → run ─┬─ source/    the log, embedded or Kafka: votes in, records out
//!                    ├─ cluster    the other processes, where there are several
//!                    ├─ checkpoint/ files that a restart goes on from
//!                    ├─ register   the reference data, followed while it changes
//!                    ├─ count      the dataflow's threads; publishes to publish
//!                    ├─ http/      answers, the stream, POST; the page in web/
//!                    └─ demo       a real election replayed, where no register is given
//! ```

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;

use cli::{Args, Command, LogFormat, RegisterCommand};

mod background;
#[cfg(test)]
#[path = "../tests/broker/mod.rs"]
mod broker;
mod checkpoint;
mod cli;
mod cluster;
mod count;
mod demo;
mod http;
mod operations;
mod plan;
mod postgres;
mod publish;
mod register;
mod run;
mod sink;
mod source;
mod token;
#[allow(dead_code, reason = "rooms take it over one by one")]
mod told;
#[allow(dead_code, reason = "those who raise them come next")]
mod warnings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code when a worker thread panics; `EX_SOFTWARE` of sysexits(3).
const PANIC_CODE: i32 = 70;

/// The exit code when another process of the count is lost; `EX_TEMPFAIL` of sysexits(3).
const PEER_LOST_CODE: i32 = 75;

/// How timely begins what it says when a connection fails.
const PEER_LOST: &str = "timely communication error: ";

fn main() -> ExitCode {
    // A `.env` that is absent is the usual case; one that cannot be read says so by its effect.
    let _ = dotenvy::dotenv();
    let args = Args::parse();
    log_as(args.log_format);
    end_when_a_worker_panics();
    let outcome = match &args.command {
        Some(command) => run_command(command, &args),
        None => plan::plan(&args).map_err(Into::into).and_then(|plan| {
            if args.local_cluster {
                cluster::local::run(args.processes, args.listen)
            } else {
                run::run(&args, plan)
            }
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tallyflow: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does one thing and ends.
fn run_command(command: &Command, args: &Args) -> anyhow::Result<()> {
    let settings = plan::postgres(args)?.ok_or(plan::PlanError::NoPostgres)?;
    match command {
        Command::Register(RegisterCommand::Import { file }) => {
            register::command::import(file, &settings, args.allow_drop)
        }
        Command::Register(RegisterCommand::Export { json }) => {
            register::command::export(&settings, *json)
        }
        Command::Migrate => Ok(postgres::migrate(&mut settings.connect()?)?),
    }
}

fn log_as(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("TALLYFLOW_LOG")
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    // What it does to the schema is told here, in a line for each step.
    let filter = match "refinery_core=warn".parse() {
        Ok(quiet) if std::env::var_os("TALLYFLOW_LOG").is_none() => filter.add_directive(quiet),
        _ => filter,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// A count that goes on without one of its workers would be wrong, so the process ends at once;
/// its supervisor starts it again. A panic in a request ends that request only.
fn end_when_a_worker_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if let Some((_, what)) = said.split_once(PEER_LOST) {
            // The thread's name ends with the number of the process that it talks to.
            let thread = std::thread::current();
            let peer = thread
                .name()
                .and_then(|name| name.rsplit('-').next())
                .unwrap_or("?");
            eprintln!(
                "tallyflow: lost process {peer} of the count ({what}). All end together; started \
                 again, they go on from the newest checkpoint"
            );
            std::process::exit(PEER_LOST_CODE);
        }
        report(panic);
        let thread = std::thread::current();
        let keeps = |name: &str| matches!(name, "log-commit" | "checkpoint" | "ceiling");
        let counts = |name: &str| name.starts_with("timely") || keeps(name);
        if thread.name().is_some_and(counts) {
            eprintln!(
                "tallyflow: a counting thread has failed; this is a bug. A restart counts on"
            );
            std::process::exit(PANIC_CODE);
        }
    }));
}
