//! What was typed: flags and the environment, as they stand. [`plan`](crate::plan) says what
//! they mean.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::memory;
use value::{parse_duration, parse_interval, parse_listen, parse_option};

mod value;

/// Counts votes while they are cast.
///
/// Without a register it shows a demo: a real election, counted live. Every flag has an
/// environment variable, and a file `.env` in the working directory is read.
#[derive(Debug, Parser)]
#[command(name = "tallyflow", version, max_term_width = 100)]
#[command(subcommand_negates_reqs = true)]
pub struct Args {
    /// What to do instead of counting
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Worker threads of each process
    #[arg(
        short,
        long,
        env = "TALLYFLOW_WORKERS",
        value_name = "N",
        default_value_t = 1
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// Processes that count together
    #[arg(
        short = 'n',
        long,
        env = "TALLYFLOW_PROCESSES",
        value_name = "N",
        default_value_t = 1
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub processes: u16,

    /// Which of the processes this is, from 0
    #[arg(
        short = 'p',
        long,
        env = "TALLYFLOW_PROCESS",
        value_name = "I",
        default_value_t = 0
    )]
    pub process: u16,

    /// The addresses of the processes, one HOST:PORT a line
    #[arg(long, env = "TALLYFLOW_HOSTFILE", value_name = "FILE")]
    pub hostfile: Option<PathBuf>,

    /// A file with a secret that all processes of -n share, as one line of 16 characters or more
    #[arg(long, env = "TALLYFLOW_CLUSTER_SECRET", value_name = "FILE")]
    pub cluster_secret: Option<PathBuf>,

    /// Start all processes of -n on this machine, on free ports, and again when one fails
    #[arg(long, conflicts_with_all = ["process", "hostfile"])]
    pub local_cluster: bool,

    /// Where to serve HTTP: HOST:PORT, or PORT alone on loopback, or :PORT on all addresses
    #[arg(
        long,
        env = "TALLYFLOW_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    #[arg(value_parser = parse_listen)]
    pub listen: SocketAddr,

    /// Where the log is kept [default: tallyflow-data, or tallyflow-demo for the demo]
    #[arg(long, env = "TALLYFLOW_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,

    /// The register: elections, contests, candidates, locations, voters (.toml or .json)
    #[arg(long, env = "TALLYFLOW_REGISTER", value_name = "FILE")]
    pub register: Option<PathBuf>,

    /// Read votes from Kafka
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", value_name = "HOST:PORT")]
    pub kafka: Option<String>,

    /// An option of the Kafka client, such as security.protocol=SASL_SSL; may be given more than once
    #[arg(
        long = "kafka-option",
        env = "TALLYFLOW_KAFKA_OPTIONS",
        value_name = "KEY=VALUE",
        hide_env_values = true
    )]
    #[arg(value_delimiter = ';', value_parser = parse_option)]
    pub kafka_options: Vec<(String, String)>,

    /// Partitions of a topic that is made since it is not there
    #[arg(
        long,
        env = "TALLYFLOW_PARTITIONS",
        value_name = "N",
        default_value_t = 8
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub partitions: u16,

    /// Make no topic that is not there
    #[arg(long, env = "TALLYFLOW_NO_CREATE_TOPICS")]
    pub no_create_topics: bool,

    /// Count a topic whose first messages are gone
    #[arg(long, env = "TALLYFLOW_ACCEPT_TRUNCATED")]
    pub accept_truncated: bool,

    /// Count a topic that is compacted, and so loses messages
    #[arg(long, env = "TALLYFLOW_ACCEPT_COMPACTED")]
    pub accept_compacted: bool,

    /// Take no more votes once so much memory is used, as 4GiB [default: what the system allows
    /// this process less a tenth, or less 256MiB where that is more; no limit where it allows all]
    #[arg(long, env = "TALLYFLOW_MEMORY_MAX", value_name = "SIZE")]
    #[arg(value_parser = memory::parse_bytes)]
    pub memory_max: Option<u64>,

    /// Where checkpoints are kept: a directory or s3://BUCKET/PREFIX [default: checkpoints in the
    /// data directory]
    #[arg(
        long,
        env = "TALLYFLOW_CHECKPOINTS",
        value_name = "PLACE",
        global = true
    )]
    pub checkpoints: Option<String>,

    /// The key of the hashes of voters: a file, apart from the checkpoints, the same for all
    /// processes [default: key in the data directory, made at the first start]
    #[arg(long, env = "TALLYFLOW_KEY", value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,

    /// The time between two checkpoints
    #[arg(
        long,
        env = "TALLYFLOW_CHECKPOINT_EVERY",
        value_name = "TIME",
        default_value = "10s"
    )]
    #[arg(value_parser = parse_interval)]
    pub checkpoint_every: Duration,

    /// Count the log from its beginning, whatever checkpoints there are
    #[arg(long)]
    pub recount: bool,

    /// Where the fields of an event are in other people's messages (.toml): a path for each, as
    /// voter_id = "voter.id", a list of paths, or { constant = "mayor" }
    #[arg(long, env = "TALLYFLOW_MAP", value_name = "FILE")]
    pub map: Option<PathBuf>,

    /// The zone of times that name none, such as America/Montreal; without it they are refused
    #[arg(long, env = "TALLYFLOW_TIME_ZONE", value_name = "NAME")]
    pub time_zone: Option<String>,

    /// The topic of the votes
    #[arg(
        long,
        global = true,
        env = "TALLYFLOW_TOPIC",
        value_name = "NAME",
        default_value = "votes"
    )]
    pub topic: String,

    /// Take the register from PostgreSQL, unless --register names a file, and write results to it
    #[arg(
        long,
        env = "TALLYFLOW_POSTGRES",
        value_name = "URL",
        hide_env_values = true,
        global = true
    )]
    pub postgres: Option<String>,

    /// The same by single values: its host
    #[arg(long, env = "POSTGRES_HOST", value_name = "HOST", global = true)]
    pub postgres_host: Option<String>,

    /// Its port [default: 5432]
    #[arg(long, env = "POSTGRES_PORT", value_name = "PORT", global = true)]
    pub postgres_port: Option<u16>,

    /// The database [default: named as the user]
    #[arg(long, env = "POSTGRES_DB", value_name = "NAME", global = true)]
    pub postgres_db: Option<String>,

    /// The user [default: postgres]
    #[arg(long, env = "POSTGRES_USER", value_name = "NAME", global = true)]
    pub postgres_user: Option<String>,

    /// The user's password
    #[arg(
        long,
        env = "POSTGRES_PASSWORD",
        value_name = "TEXT",
        hide_env_values = true,
        global = true
    )]
    pub postgres_password: Option<String>,

    /// A file that holds the user's password, as one line
    #[arg(
        long,
        env = "TALLYFLOW_POSTGRES_PASSWORD_FILE",
        value_name = "FILE",
        global = true
    )]
    pub postgres_password_file: Option<PathBuf>,

    /// Authorities that its certificate must come from, in PEM form; TLS is then required
    #[arg(
        long,
        env = "TALLYFLOW_POSTGRES_CA",
        value_name = "FILE",
        global = true
    )]
    pub postgres_ca: Option<PathBuf>,

    /// Show this election as a demo: montreal-2013 or uk-2019
    #[arg(
        long,
        env = "TALLYFLOW_DEMO",
        value_name = "NAME",
        conflicts_with = "register"
    )]
    pub demo: Option<String>,

    /// Start the demo anew; touches only a directory that the demo made
    #[arg(long)]
    pub fresh: bool,

    /// Let candidates, contests, locations and elections go from the register
    #[arg(long, env = "TALLYFLOW_ALLOW_DROP", global = true)]
    pub allow_drop: bool,

    /// How far behind the latest vote of its partition a vote may be without being late
    #[arg(
        long,
        env = "TALLYFLOW_LATENESS",
        value_name = "TIME",
        default_value = "60s"
    )]
    #[arg(value_parser = parse_duration)]
    pub lateness: Duration,

    /// How much time the newest cells with votes may hold that are served one by one
    #[arg(
        long,
        env = "TALLYFLOW_HORIZON",
        value_name = "TIME",
        default_value = "24h"
    )]
    #[arg(value_parser = parse_duration)]
    pub horizon: Duration,

    /// A directory of outlines and portraits, served as /files/NAME for the register to name
    #[arg(long, env = "TALLYFLOW_FILES", value_name = "DIR")]
    pub files: Option<PathBuf>,

    /// How long results may stand still though there is something to count until /readyz says 503
    #[arg(
        long,
        env = "TALLYFLOW_STALE_AFTER",
        value_name = "TIME",
        default_value = "30s"
    )]
    #[arg(value_parser = parse_duration)]
    pub stale_after: Duration,

    /// What writers must send as `Authorization: Bearer`, 16 characters or more; shows in the
    /// list of processes, so rather use --token-file [default: one made in the data directory]
    #[arg(
        long,
        env = "TALLYFLOW_TOKEN",
        value_name = "TEXT",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    pub token: Option<String>,

    /// A file whose first line is that token
    #[arg(long, env = "TALLYFLOW_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Show the public no row of fewer ballots, nor a change of fewer
    #[arg(
        long,
        env = "TALLYFLOW_DISCLOSE_MIN",
        value_name = "N",
        default_value_t = 0
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(..=DISCLOSE_MIN_MAX))]
    pub disclose_min: u64,

    /// Let pages of this origin read the answers; `*` for all; may be given more than once
    #[arg(
        long = "cors-origin",
        env = "TALLYFLOW_CORS_ORIGIN",
        value_name = "ORIGIN"
    )]
    #[arg(value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// Let pages of this origin show ours in a frame; `*` for all; may be given more than once
    #[arg(
        long = "frame-origin",
        env = "TALLYFLOW_FRAME_ORIGIN",
        value_name = "ORIGIN"
    )]
    #[arg(value_delimiter = ',')]
    pub frame_origins: Vec<String>,

    /// Connections that one address, or one /64 of IPv6, may have open at once [default: 1024, and
    /// any number from loopback]
    #[arg(long, env = "TALLYFLOW_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: Option<u32>,

    /// A proxy, or a network of proxies such as 10.0.0.0/8, that is believed whose requests it
    /// brings (X-Forwarded-For, Forwarded); may be given more than once
    #[arg(
        long = "trusted-proxy",
        env = "TALLYFLOW_TRUSTED_PROXY",
        value_name = "CIDR"
    )]
    #[arg(value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,

    /// How the log lines look
    #[arg(
        long,
        env = "TALLYFLOW_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// A setting that is given and belongs to a real service, not to a demo
    #[arg(skip)]
    pub real_setting: Option<String>,
}

/// What no demo needs: whoever gives one of these means another election.
const REAL_SETTINGS: [&str; 23] = [
    "processes",
    "hostfile",
    "cluster_secret",
    "kafka",
    "kafka_options",
    "partitions",
    "no_create_topics",
    "accept_truncated",
    "accept_compacted",
    "key",
    "map",
    "time_zone",
    "topic",
    "postgres",
    "postgres_host",
    "postgres_port",
    "postgres_db",
    "postgres_user",
    "postgres_password",
    "postgres_password_file",
    "postgres_ca",
    "allow_drop",
    "trusted_proxies",
];

impl Args {
    /// What was typed, and what the environment says besides.
    pub fn read() -> Args {
        let matches = Args::command().get_matches();
        let mut args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let command = Args::command();
        args.real_setting = command
            .get_arguments()
            .filter(|argument| REAL_SETTINGS.contains(&argument.get_id().as_str()))
            .filter_map(|argument| {
                let flag = format!("--{}", argument.get_long()?);
                match matches.value_source(argument.get_id().as_str())? {
                    ValueSource::CommandLine => Some(flag),
                    ValueSource::EnvVariable => {
                        Some(argument.get_env()?.to_string_lossy().into_owned())
                    }
                    _ => None,
                }
            })
            .next();
        args
    }

    /// The names of all settings in the environment.
    pub fn environment() -> Vec<String> {
        let command = Args::command();
        let names = command
            .get_arguments()
            .filter_map(|argument| argument.get_env());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

/// What to do instead of counting.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move the register between a file and PostgreSQL
    #[command(subcommand)]
    Register(RegisterCommand),
    /// Look whether log, checkpoints and key are as they were written, while no service runs
    Verify,
    /// Copy the log and a whole checkpoint, also while the service runs; neither key nor token
    Backup {
        /// A directory that is empty, or not there
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Make the tables in PostgreSQL, or bring them up to date, and end
    Migrate,
}

/// What to do with the register in PostgreSQL.
#[derive(Debug, Subcommand)]
pub enum RegisterCommand {
    /// Make it that of a file (.toml or .json), whole
    Import {
        /// The file
        file: PathBuf,
    },
    /// Print it in the form of such a file
    Export {
        /// As JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The largest number below which ballots are not shown: more would be no result any more.
const DISCLOSE_MIN_MAX: u64 = 10_000;
