//! What the flags mean: which election is counted, from where, into which directory.
//!
//! Comes from [`Args`]; a plan that cannot be is an error that says what to type instead.

use std::path::PathBuf;

use producer::Election;

use crate::cli::Args;

/// The directory of the log where none is named.
const DATA: &str = "tallyflow-data";

/// The directory of the demo's log where none is named.
const DEMO_DATA: &str = "tallyflow-demo";

/// What is counted where no one says.
const DEMO: &str = "montreal-2013";

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// Where the register comes from.
    pub register: RegisterFrom,
    /// The data directory.
    pub data: PathBuf,
}

/// Where the register comes from.
#[derive(Debug)]
pub enum RegisterFrom {
    /// A file, followed while it changes.
    File(PathBuf),
    /// The demo election, replayed into a directory of its own.
    Demo(Box<Election>),
}

/// Flags that do not go together, or that this version cannot do.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Kafka.
    #[error(
        "could not read from kafka: this version counts votes from its own log only; leave out \
         --kafka and KAFKA_BOOTSTRAP_SERVERS, and send votes to POST /api/v1/votes"
    )]
    Kafka,
    /// PostgreSQL.
    #[error(
        "could not use postgresql: this version has no support for it yet; leave out --postgres \
         and give the register with --register FILE"
    )]
    Postgres,
    /// Several processes.
    #[error(
        "could not count with {0} processes: the embedded log belongs to one process; use -w for \
         more worker threads"
    )]
    Processes(u16),
    /// A process number, or a host file, without processes.
    #[error("-p and --hostfile go with -n: leave them out to count in one process")]
    ProcessAlone,
    /// `--fresh` without a demo.
    #[error(
        "--fresh starts a demo anew and touches no other votes: leave it out, or leave out --register"
    )]
    FreshRegister,
    /// No such demo.
    #[error("there is no demo '{name}'; there are {}", Election::NAMES.join(" and "))]
    UnknownDemo {
        /// What was typed.
        name: String,
    },
    /// The demo's data is broken.
    #[error("could not make the demo election")]
    Demo(#[source] producer::ElectionError),
}

/// Says what the flags mean.
pub fn plan(args: &Args) -> Result<Plan, PlanError> {
    if args.kafka.is_some() {
        return Err(PlanError::Kafka);
    }
    if args.postgres.is_some() {
        return Err(PlanError::Postgres);
    }
    if args.processes != 1 {
        return Err(PlanError::Processes(args.processes));
    }
    if args.process != 0 || args.hostfile.is_some() {
        return Err(PlanError::ProcessAlone);
    }
    let register = match (&args.register, &args.demo) {
        (Some(_), _) if args.fresh => return Err(PlanError::FreshRegister),
        (Some(file), _) => RegisterFrom::File(file.clone()),
        (None, demo) => {
            let name = demo.as_deref().unwrap_or(DEMO);
            let election = Election::named(name).ok_or_else(|| PlanError::UnknownDemo {
                name: name.to_string(),
            })?;
            RegisterFrom::Demo(Box::new(election.map_err(PlanError::Demo)?))
        }
    };
    let default = match register {
        RegisterFrom::File(_) => DATA,
        RegisterFrom::Demo(_) => DEMO_DATA,
    };
    Ok(Plan {
        register,
        data: args.data.clone().unwrap_or_else(|| default.into()),
    })
}
