//! Several processes that count together: how they find each other, and what they agree on before
//! the dataflow begins.
//!
//! ```text
//!  hostfile → connect: one TCP connection for each pair ── secret: proven both ways
//!          → hello: same version, flags, count?
//!          → start: process 0 says which checkpoint and topic, and its key's fingerprint ── timely takes the sockets
//! ```
//!
//! After that the connections are plain TCP: for a trusted network only. A process
//! that goes, or is silent for [`SILENCE_MAX`], ends all others: a count without one of its parts
//! would be wrong, and their supervisor starts them again from the checkpoint.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use timely::WorkerConfig;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Hooks, WorkerGuards};
use timely::worker::Worker;

pub use connect::Waiting;
pub use hello::{Hello, Start};
use link::Link;
pub use secret::ClusterSecret;

use crate::secret::SecretError;

mod callers;
mod connect;
mod hello;
mod link;
pub mod local;
mod secret;

/// How long a process may be silent. A pause of ten seconds must not end the count.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often each process says that it lives.
pub const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Which process this is, and where all are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// This process, from 0.
    pub process: usize,
    /// HOST:PORT of each.
    pub addresses: Vec<String>,
    /// What all must know.
    pub secret: ClusterSecret,
}

/// Why the processes do not come together.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The host file cannot be read.
    #[error("could not read the host file '{}'", .path.display())]
    HostFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has too few lines, or one that is no address.
    #[error(
        "the host file '{}' {what}: give one HOST:PORT a line for each of the {processes} \
         processes, process 0 first", .path.display()
    )]
    Hosts {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// How many there must be.
        processes: usize,
    },
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(SecretError),
    /// The secret is too short.
    #[error(
        "the secret of --cluster-secret is too short: use {characters_min} characters or more, such \
         as `openssl rand -hex 32` prints"
    )]
    ShortSecret {
        /// The fewest.
        characters_min: usize,
    },
    /// The own address cannot be listened on.
    #[error(
        "could not listen for the other processes on {address}: check line {line} of the host \
         file, and that no other process uses the port"
    )]
    Listen {
        /// The address.
        address: String,
        /// Its line.
        line: usize,
        /// Why.
        source: std::io::Error,
    },
    /// The other end is another service, or was started otherwise.
    #[error(
        "process {process} at {address} does not fit this one: {what}; start all processes from \
         the same program with the same flags but -p, --listen and --data"
    )]
    Unlike {
        /// The process.
        process: usize,
        /// Its address.
        address: String,
        /// What differs.
        what: String,
    },
    /// A connection broke before the dataflow began.
    #[error("lost process {process} at {address} while starting: start all processes again")]
    Lost {
        /// The process.
        process: usize,
        /// Its address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The end was asked for meanwhile.
    #[error("ended while waiting for the other processes")]
    Ended,
    /// The threads of the network do not start.
    #[error("could not start the network threads: {0}")]
    Threads(String),
}

impl Cluster {
    /// Reads the addresses of the processes.
    pub fn read(
        path: &Path,
        process: usize,
        processes: usize,
        secret: ClusterSecret,
    ) -> Result<Cluster, ClusterError> {
        let text = std::fs::read_to_string(path).map_err(|source| ClusterError::HostFile {
            path: path.to_path_buf(),
            source,
        })?;
        let fail = |what| ClusterError::Hosts {
            path: path.to_path_buf(),
            what,
            processes,
        };
        let lines = text.lines().map(str::trim);
        let addresses: Vec<String> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .take(processes)
            .map(str::to_string)
            .collect();
        if addresses.len() < processes {
            return Err(fail(format!("has {} addresses", addresses.len())));
        }
        for address in &addresses {
            let port = address
                .rsplit_once(':')
                .map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(1..))) {
                return Err(fail(format!("has '{address}', which is no HOST:PORT")));
            }
        }
        Ok(Cluster {
            process,
            addresses,
            secret,
        })
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        self.addresses.len()
    }
}

/// The connections to all other processes.
pub struct Links {
    process: usize,
    /// By process; none to itself.
    sockets: Vec<Option<(TcpStream, String)>>,
}

impl Links {
    /// Runs workers over these connections and all threads of this process.
    pub fn execute<T: Send + 'static>(
        self,
        workers: usize,
        work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
    ) -> Result<WorkerGuards<T>, ClusterError> {
        let threads = ClusterError::Threads;
        let hooks = Hooks::default();
        let local =
            ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), hooks.spill.clone());
        let links: std::io::Result<Vec<Option<Link>>> = (0..)
            .zip(self.sockets)
            .map(|(process, socket)| {
                socket
                    .map(|(socket, address)| Link::new(socket, process, address))
                    .transpose()
            })
            .collect();
        let links = links.map_err(|error| threads(error.to_string()))?;
        let networking =
            initialize_networking_from_sockets(local, links, self.process, workers, hooks);
        let (builders, guard) = networking.map_err(|error| threads(error.to_string()))?;
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        timely::execute::execute_from(builders, Box::new(guard), WorkerConfig::default(), work)
            .map_err(threads)
    }
}

#[cfg(test)]
mod tests;
