//! What the flags mean: which election is counted, from where, into which directory.
//!
//! Comes from [`Args`]; a plan that cannot be is an error that says what to type instead.

use std::path::{Path, PathBuf};

use producer::Election;

use crate::checkpoint::{PlaceError, check_scheme};
use crate::cli::Args;
use crate::cluster::{Cluster, ClusterError, ClusterSecret};
use crate::key::{self, KeyFile};
use crate::postgres::{PostgresError, PostgresSettings};
use crate::secret::{self, SecretError};

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
    /// Where results are written besides.
    pub postgres: Option<PostgresSettings>,
    /// The data directory.
    pub data: PathBuf,
    /// Where checkpoints are kept.
    pub checkpoints: String,
    /// The key of the hashes of voters.
    pub key: KeyFile,
    /// All processes, where there are several.
    pub cluster: Option<Cluster>,
}

/// Where the register comes from.
#[derive(Debug)]
pub enum RegisterFrom {
    /// A file, followed while it changes.
    File(PathBuf),
    /// PostgreSQL, followed while it changes.
    Database(PostgresSettings),
    /// The demo election, replayed into a directory of its own.
    Demo(Box<Election>),
}

/// Flags that do not go together, or that this version cannot do.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Kafka without a register.
    #[error(
        "could not count votes from kafka without a register: describe the election in a file and \
         give it with --register FILE; `producer register montreal-2013` prints one to start from. \
         Or name a PostgreSQL that holds one with --postgres URL"
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
    /// A demo where something else was meant.
    #[error(
        "{0} is set, which is for a real election, but no register: describe the election in a file \
         and give it with --register FILE, or name a PostgreSQL that holds one with --postgres URL. \
         To see a demo all the same, name it with --demo montreal-2013"
    )]
    NotDemo(String),
    /// The data directory is none.
    #[error("the data directory '{}' is a file: name a directory with --data", .0.display())]
    DataIsFile(PathBuf),
    /// The directory of the operator's files is none.
    #[error("--files names '{}', which is no directory that can be read", .0.display())]
    NoFiles(PathBuf),
    /// The place of checkpoints.
    #[error(transparent)]
    Checkpoints(#[from] PlaceError),
    /// Checkpoints of a demo elsewhere.
    #[error("a demo keeps its checkpoints in its own directory: leave out --checkpoints")]
    DemoCheckpoints,
    /// The address of PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// Two passwords.
    #[error(
        "the password of postgresql is given twice: leave out --postgres-password-file, or the \
         password in --postgres, --postgres-password or POSTGRES_PASSWORD"
    )]
    TwoPasswords,
    /// A password for nothing.
    #[error(
        "--postgres-password-file goes with --postgres or --postgres-host: name the database, or \
         leave it out"
    )]
    PasswordAlone,
    /// A file that holds a secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A command that needs PostgreSQL.
    #[error(
        "could not do this without postgresql: name it with --postgres \
         postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or with POSTGRES_HOST and the like"
    )]
    NoPostgres,
    /// Several processes.
    #[error(
        "could not count with {0} processes: the embedded log belongs to one process; use -w for \
         more worker threads, or read the votes from kafka with --kafka HOST:PORT"
    )]
    Processes(u16),
    /// A process number, or a host file, without processes.
    #[error(
        "-p, --hostfile, --cluster-secret and --local-cluster go with -n: leave them out to count \
         in one process"
    )]
    ProcessAlone,
    /// Processes without their addresses.
    #[error(
        "could not count with {0} processes: give the same --hostfile FILE to each, with one \
         HOST:PORT a line, and -p 0, -p 1 and so on; --local-cluster does so on this machine"
    )]
    NoHosts(u16),
    /// No key where one process alone cannot make it.
    #[error(
        "could not count {0} without a key for the hashes of voters: make one with `(umask 077; \
         openssl rand -hex 32 > FILE)`, keep it apart from the checkpoints, and give it to all \
         processes with --key FILE"
    )]
    NoKey(&'static str),
    /// Processes that any other could join.
    #[error(
        "could not count with several processes without a secret that they share: make one with \
         `openssl rand -hex 32 > cluster.secret`, and give the same --cluster-secret FILE to each"
    )]
    NoSecret,
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
        "--fresh starts a demo anew and touches no other votes: leave it out, or name a demo with --demo"
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
    if let Some(files) = args.files.as_ref().filter(|files| !files.is_dir()) {
        return Err(PlanError::NoFiles(files.clone()));
    }
    let postgres = postgres(args)?;
    check_kafka(args, postgres.is_some())?;
    let cluster = cluster(args)?;
    let register = register(args, postgres.as_ref())?;
    let default = match register {
        RegisterFrom::File(_) | RegisterFrom::Database(_) => DATA,
        RegisterFrom::Demo(_) => DEMO_DATA,
    };
    let data = args.data.clone().unwrap_or_else(|| default.into());
    if data.exists() && !data.is_dir() {
        return Err(PlanError::DataIsFile(data));
    }
    let checkpoints = match (&args.checkpoints, &register) {
        (Some(_), RegisterFrom::Demo(_)) => return Err(PlanError::DemoCheckpoints),
        (Some(place), _) => {
            check_scheme(place)?;
            place.clone()
        }
        (None, _) => data.join(CHECKPOINTS).display().to_string(),
    };
    Ok(Plan {
        key: key_file(args, &data, &checkpoints)?,
        register,
        kafka: args.kafka.clone(),
        postgres,
        data,
        checkpoints,
        cluster,
    })
}

/// The data directory of a command that counts nothing.
pub fn data_of(args: &Args) -> PathBuf {
    let default = if !Path::new(DATA).exists() && Path::new(DEMO_DATA).exists() {
        DEMO_DATA
    } else {
        DATA
    };
    args.data.clone().unwrap_or_else(|| default.into())
}

/// Its place of checkpoints.
pub fn checkpoints_of(args: &Args, data: &Path) -> String {
    let default = || data.join(CHECKPOINTS).display().to_string();
    args.checkpoints.clone().unwrap_or_else(default)
}

/// Where the key is; only a process that counts alone, or starts the others, makes one.
fn key_file(args: &Args, data: &Path, checkpoints: &str) -> Result<KeyFile, PlanError> {
    let (several, remote) = (
        args.processes > 1 && !args.local_cluster,
        checkpoints.starts_with("s3://"),
    );
    let path = match &args.key {
        Some(path) => path.clone(),
        None if several => return Err(PlanError::NoKey("with several processes")),
        None if remote => return Err(PlanError::NoKey("with checkpoints in s3")),
        None => data.join(key::NAME),
    };
    Ok(KeyFile {
        path,
        is_made: !several && !remote,
        is_default: args.key.is_none(),
    })
}

/// Where PostgreSQL is, if it is to be used.
pub fn postgres(args: &Args) -> Result<Option<PostgresSettings>, PlanError> {
    let settings = match &args.postgres {
        Some(url) => Some(PostgresSettings::parse(url, args.postgres_ca.as_deref())?),
        None => postgres_by_values(args)?,
    };
    let Some(path) = &args.postgres_password_file else {
        return Ok(settings);
    };
    match settings {
        Some(settings) if settings.has_password() => Err(PlanError::TwoPasswords),
        Some(settings) => {
            let password = secret::read("--postgres-password-file", path)?;
            Ok(Some(settings.with_password(&password)))
        }
        None => Err(PlanError::PasswordAlone),
    }
}

fn postgres_by_values(args: &Args) -> Result<Option<PostgresSettings>, PlanError> {
    let of = |host| {
        PostgresSettings::of(
            host,
            args.postgres_port,
            args.postgres_db.as_deref(),
            args.postgres_user.as_deref(),
            args.postgres_password.as_deref(),
            args.postgres_ca.as_deref(),
        )
    };
    Ok(args.postgres_host.as_deref().map(of).transpose()?)
}

fn check_kafka(args: &Args, with_postgres: bool) -> Result<(), PlanError> {
    if args.kafka.is_some() {
        if args.demo.is_some() || args.fresh {
            return Err(PlanError::KafkaDemo);
        }
        if args.register.is_none() && !with_postgres {
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
        let alone = args.process != 0
            || args.hostfile.is_some()
            || args.local_cluster
            || args.cluster_secret.is_some();
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
            let secret = args.cluster_secret.as_deref().ok_or(PlanError::NoSecret)?;
            let secret = ClusterSecret::read(secret)?;
            let cluster = Cluster::read(file, args.process.into(), args.processes.into(), secret)?;
            Ok(Some(cluster))
        }
        // It makes the host file.
        None if args.local_cluster => Ok(None),
        None => Err(PlanError::NoHosts(args.processes)),
    }
}

fn register(args: &Args, postgres: Option<&PostgresSettings>) -> Result<RegisterFrom, PlanError> {
    let demo = match (&args.register, &args.demo, postgres) {
        (Some(_), _, _) | (None, None, Some(_)) if args.fresh => {
            return Err(PlanError::FreshRegister);
        }
        (Some(file), _, _) => return Ok(RegisterFrom::File(file.clone())),
        (None, None, Some(settings)) => return Ok(RegisterFrom::Database(settings.clone())),
        (None, Some(demo), _) => demo,
        (None, None, None) => match &args.real_setting {
            Some(setting) => return Err(PlanError::NotDemo(setting.clone())),
            None => DEMO,
        },
    };
    let election = Election::named(demo).ok_or_else(|| PlanError::UnknownDemo {
        name: demo.to_string(),
    })?;
    let election = election.map_err(PlanError::Demo)?;
    Ok(RegisterFrom::Demo(Box::new(election)))
}
