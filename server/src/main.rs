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

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::ExitCode;

use cli::{Args, Command, LogFormat, RegisterCommand};

mod background;
mod backup;
#[cfg(test)]
#[path = "../tests/broker/mod.rs"]
mod broker;
mod checkpoint;
mod cli;
mod cluster;
mod control;
mod count;
mod demo;
mod environment;
mod feed;
mod format;
mod http;
mod key;
mod memory;
mod operations;
mod output;
mod plan;
mod postgres;
mod private;
mod publish;
mod register;
mod run;
mod scrub;
mod secret;
mod signals;
mod sink;
mod source;
mod token;
mod told;
mod unknown;
mod verify;
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
    // Before anything is written.
    private::mask();
    let outcome = run_all();
    if let Err(error) = &outcome {
        output::say(&format!("tallyflow: {error:#}"));
    }
    output::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Reads what is asked for and does it.
fn run_all() -> anyhow::Result<()> {
    environment::read_file(Path::new(".env"))?;
    let args = Args::read();
    log_as(args.log_format);
    let passed_over = environment::check(&Args::environment())?;
    if !passed_over.is_empty() {
        tracing::info!(
            names = passed_over.join(", "),
            "passed over: names that kubernetes makes"
        );
    }
    end_when_a_worker_panics();
    match &args.command {
        Some(command) => run_command(command, &args),
        None => plan::plan(&args).map_err(Into::into).and_then(|plan| {
            if args.local_cluster {
                cluster::local::run(&args, &plan)
            } else {
                run::run(&args, plan)
            }
        }),
    }
}

/// Does one thing and ends.
fn run_command(command: &Command, args: &Args) -> anyhow::Result<()> {
    let postgres = || plan::postgres(args)?.ok_or(plan::PlanError::NoPostgres);
    match command {
        Command::Verify => verify::run(args),
        Command::Backup { directory } => backup::run(args, directory),
        Command::Register(RegisterCommand::Import { file }) => {
            register::command::import(file, &postgres()?, args.allow_drop)
        }
        Command::Register(RegisterCommand::Export { json }) => {
            register::command::export(&postgres()?, *json)
        }
        Command::Migrate => Ok(postgres::migrate(&mut postgres()?.connect()?)?),
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
        .with_writer(|| output::Stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// A count that goes on without one of its workers would be wrong, so the process ends at once;
/// its supervisor starts it again. A panic in a request ends that request only.
fn end_when_a_worker_panics() {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let said = panic.payload_as_str().unwrap_or_default();
        if let Some((_, what)) = said.split_once(PEER_LOST) {
            // The thread's name ends with the number of the process that it talks to.
            let peer = name.rsplit('-').next().unwrap_or("?");
            end_at_once(
                PEER_LOST_CODE,
                &format!(
                    "tallyflow: lost process {peer} of the count ({what}). All end together; \
                     started again, they go on from the newest checkpoint"
                ),
            );
        }
        report(name, panic);
        if name.starts_with("timely") || matches!(name, "log-commit" | "checkpoint" | "ceiling") {
            end_at_once(
                PANIC_CODE,
                "tallyflow: a counting thread has failed; this is a bug. A restart counts on",
            );
        }
    }));
}

/// Says that a thread has panicked, as the standard library does, but never waits for whoever
/// reads it: a process that ought to end must not hang there.
fn report(name: &str, panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let said = panic.payload_as_str().unwrap_or("something else than text");
    let place = place.as_deref().unwrap_or("an unknown place");
    output::say(&format!("thread '{name}' panicked at {place}:\n{said}"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        output::say(&trace.to_string());
    }
}

/// Ends the process with last words.
fn end_at_once(code: i32, words: &str) -> ! {
    output::say(words);
    output::flush();
    std::process::exit(code)
}
