//! The command line as it is typed.
//!
//! Comes in as text; goes on as values that are each possible by themselves. Decides nothing.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use producer::Rate;
use producer::target::Address;

/// Sends the votes of an election, one event a vote, and says what must come out.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Command {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Replays an election that is given as sums.
    Replay {
        /// montreal-2013, uk-2019, or a CSV or JSON file of sums.
        #[arg(value_name = "NAME|FILE")]
        election: String,
        #[command(flatten)]
        sending: Sending,
    },
    /// Makes an election up and replays it.
    Simulate {
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        sending: Sending,
    },
    /// Prints the register that lets a replay's votes count, for `tallyflow --register FILE`.
    Register {
        /// montreal-2013, uk-2019, or a CSV or JSON file of sums.
        #[arg(value_name = "NAME|FILE", required_unless_present = "voters")]
        election: Option<String>,
        #[command(flatten)]
        size: OptionalSize,
        /// The seed of the made-up election.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The form of the register.
        #[arg(long, value_enum, default_value_t = Format::Toml)]
        format: Format,
    },
}

/// The size of a made-up election.
#[derive(Debug, Args)]
pub(crate) struct Size {
    /// Voters; each casts one ballot that counts.
    #[arg(long)]
    pub(crate) voters: u64,
    /// Candidates.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) candidates: u32,
    /// Locations; 0 for an election without any.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) locations: u32,
}

/// The same where an election may be named instead.
#[derive(Debug, Args)]
pub(crate) struct OptionalSize {
    /// Voters of a made-up election, in place of a name or file.
    #[arg(long, conflicts_with = "election")]
    pub(crate) voters: Option<u64>,
    /// Its candidates.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) candidates: u32,
    /// Its locations; 0 for none.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) locations: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Sending {
    /// Where to send: http://HOST:PORT, file:PATH or kafka://HOST:PORT/TOPIC.
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: Address,
    /// Messages a second, or max.
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub(crate) rate: Rate,
    /// Decides order, times, ids and what goes wrong; another seed means other voters.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) shares: ShareArgs,
    /// Name the contest in every event, where it is not the server's default.
    #[arg(long)]
    pub(crate) name_contest: bool,
    /// Begin the evening at another instant, such as 2024-05-01T20:00:00+02:00.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) starts_at: Option<String>,
    /// How many hours of event time the evening takes.
    #[arg(long)]
    pub(crate) hours: Option<u32>,
    /// Leave out the first N messages: those that an earlier run has sent.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip: u64,
    /// Write the totals that must come out to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// The file of the server's token, for http: `token` in its data directory.
    #[arg(long, env = "TALLYFLOW_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// That token itself; shows in the list of processes, but not if given as TALLYFLOW_TOKEN.
    #[arg(
        long,
        env = "TALLYFLOW_TOKEN",
        value_name = "TEXT",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    pub(crate) token: Option<String>,
    /// Requests at one time, for http.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
    /// An option of the Kafka client, such as client.id=me; may be given several times.
    // Taken as text, since what clap cannot read it shows, and a value may be a password.
    #[arg(long = "kafka-option", value_name = "NAME=VALUE")]
    pub(crate) kafka_options: Vec<String>,
    /// Partitions of a topic that is not there yet, for kafka.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) partitions: u32,
}

/// Shares of the ballots, from 0 to 1.
#[derive(Debug, Args)]
pub(crate) struct ShareArgs {
    /// Share of casts that come a second time, the same in everything.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    duplicates: f64,
    /// Share of voters who cast something else as well, which does not count.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    revotes: f64,
    /// Share of votes that are voided, half of them then cast anew.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    voids: f64,
    /// Share of casts that are sent much later than their timestamp says.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    late: f64,
    /// Share of messages that are no valid event, in addition.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    malformed: f64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Toml,
    Json,
}

impl From<&ShareArgs> for producer::Shares {
    fn from(typed: &ShareArgs) -> producer::Shares {
        producer::Shares {
            duplicates: typed.duplicates,
            revotes: typed.revotes,
            voids: typed.voids,
            late: typed.late,
            malformed: typed.malformed,
        }
    }
}
