//! What the flags mean: which election is counted, from where, into which directory.
//!
//! Comes from [`Args`]; a plan that cannot be is an error that says what to type instead.

use std::path::PathBuf;

use producer::Election;

use crate::cli::Args;
use crate::cluster::{Cluster, ClusterError};

/// The directory of the log where none is named.
const DATA: &str = "tallyflow-data";

/// The directory of the demo's log where none is named.
const DEMO_DATA: &str = "tallyflow-demo";

/// What is counted where no one says.
const DEMO: &str = "montreal-2013";

/// Where checkpoints are in a data directory.
pub const CHECKPOINTS: &str = "checkpoints";

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// Where the register comes from.
    pub register: RegisterFrom,
    /// The brokers of Kafka, where votes come from there.
    pub kafka: Option<String>,
    /// The data directory.
    pub data: PathBuf,
    /// Where checkpoints are kept.
    pub checkpoints: String,
    /// All processes, where there are several.
    pub cluster: Option<Cluster>,
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
    /// Kafka without a register.
    #[error(
        "could not count votes from kafka without a register: describe the election in a file and \
         give it with --register FILE; `producer register montreal-2013` prints one to start from"
    )]
    KafkaAlone,
    /// A demo with Kafka.
    #[error("a demo has a log of its own: leave out --demo and --fresh, or leave out --kafka")]
    KafkaDemo,
    /// What is for Kafka only.
    #[error(
        "{0} is for votes from kafka: name its brokers with --kafka HOST:PORT, or leave it out"
    )]
    NoKafka(&'static str),
    /// Checkpoints of a demo elsewhere.
    #[error("a demo keeps its checkpoints in its own directory: leave out --checkpoints")]
    DemoCheckpoints,
    /// PostgreSQL.
    #[error(
        "could not use postgresql: this version has no support for it yet; leave out --postgres \
         and give the register with --register FILE"
    )]
    Postgres,
    /// Several processes.
    #[error(
        "could not count with {0} processes: the embedded log belongs to one process; use -w for \
         more worker threads, or read the votes from kafka with --kafka HOST:PORT"
    )]
    Processes(u16),
    /// A process number, or a host file, without processes.
    #[error(
        "-p, --hostfile and --local-cluster go with -n: leave them out to count in one process"
    )]
    ProcessAlone,
    /// Processes without their addresses.
    #[error(
        "could not count with {0} processes: give the same --hostfile FILE to each, with one \
         HOST:PORT a line, and -p 0, -p 1 and so on; --local-cluster does so on this machine"
    )]
    NoHosts(u16),
    /// A process number beyond their count.
    #[error("there is no process {process} of {processes}: -p begins at 0")]
    NoProcess {
        /// What was typed.
        process: u16,
        /// How many there are.
        processes: u16,
    },
    /// The host file.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
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
    if args.postgres.is_some() {
        return Err(PlanError::Postgres);
    }
    check_kafka(args)?;
    let cluster = cluster(args)?;
    let register = register(args)?;
    let default = match register {
        RegisterFrom::File(_) => DATA,
        RegisterFrom::Demo(_) => DEMO_DATA,
    };
    let data = args.data.clone().unwrap_or_else(|| default.into());
    let checkpoints = match (&args.checkpoints, &register) {
        (Some(_), RegisterFrom::Demo(_)) => return Err(PlanError::DemoCheckpoints),
        (Some(place), RegisterFrom::File(_)) => place.clone(),
        (None, _) => data.join(CHECKPOINTS).display().to_string(),
    };
    Ok(Plan {
        register,
        kafka: args.kafka.clone(),
        data,
        checkpoints,
        cluster,
    })
}

fn check_kafka(args: &Args) -> Result<(), PlanError> {
    if args.kafka.is_some() {
        if args.demo.is_some() || args.fresh {
            return Err(PlanError::KafkaDemo);
        }
        if args.register.is_none() {
            return Err(PlanError::KafkaAlone);
        }
        return Ok(());
    }
    if !args.kafka_options.is_empty() {
        return Err(PlanError::NoKafka("--kafka-option"));
    }
    if args.processes != 1 {
        return Err(PlanError::Processes(args.processes));
    }
    Ok(())
}

fn cluster(args: &Args) -> Result<Option<Cluster>, PlanError> {
    if args.processes == 1 {
        let alone = args.process != 0 || args.hostfile.is_some() || args.local_cluster;
        return if alone {
            Err(PlanError::ProcessAlone)
        } else {
            Ok(None)
        };
    }
    if args.process >= args.processes {
        return Err(PlanError::NoProcess {
            process: args.process,
            processes: args.processes,
        });
    }
    match &args.hostfile {
        Some(file) => {
            let cluster = Cluster::read(file, args.process.into(), args.processes.into())?;
            Ok(Some(cluster))
        }
        // It makes the host file.
        None if args.local_cluster => Ok(None),
        None => Err(PlanError::NoHosts(args.processes)),
    }
}

fn register(args: &Args) -> Result<RegisterFrom, PlanError> {
    match (&args.register, &args.demo) {
        (Some(_), _) if args.fresh => Err(PlanError::FreshRegister),
        (Some(file), _) => Ok(RegisterFrom::File(file.clone())),
        (None, demo) => {
            let name = demo.as_deref().unwrap_or(DEMO);
            let election = Election::named(name).ok_or_else(|| PlanError::UnknownDemo {
                name: name.to_string(),
            })?;
            Ok(RegisterFrom::Demo(Box::new(
                election.map_err(PlanError::Demo)?,
            )))
        }
    }
}
