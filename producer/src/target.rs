//! Where messages go: HTTP, a file, or whatever implements [`Target`].
//!
//! Comes in as batches; nothing goes on but what became of them. A target knows no election.

use std::path::PathBuf;
use std::str::FromStr;

use crate::batch::Batch;

pub use file::FileTarget;
pub use http::{HttpOptions, HttpTarget};

mod file;
mod http;

/// Takes messages until it is finished.
pub trait Target {
    /// Sends a batch, or takes it over to be sent; waits while too much is on its way. After an
    /// error nothing more is sent.
    fn send(&mut self, batch: &Batch) -> Result<(), TargetError>;

    /// Waits until everything is safe at the other end, and says what became of it.
    fn finish(&mut self) -> Result<Delivery, TargetError>;
}

/// What became of the messages sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Messages that the target has taken for good.
    pub stored: u64,
    /// Malformed messages that the target has turned away, as it should, and so never stores.
    pub turned_away: u64,
    /// Messages that were sent again since it was not known whether they had been stored. Each
    /// is one vote all the same, but may be counted as a duplicate.
    pub sent_again: u64,
}

/// What ends the sending.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address has no form that is known.
    #[error(
        "'{0}' is no place to send votes to: write http://HOST:PORT, file:PATH or \
         kafka://HOST:PORT/TOPIC"
    )]
    Address(String),
    /// Kafka is not there yet.
    #[error(
        "could not send votes to '{0}': this version has no Kafka support yet; send them to \
         http://HOST:PORT or write them to file:PATH"
    )]
    Kafka(String),
    /// A file cannot be written.
    #[error("could not write votes to '{}'; check the path and the room on the disk", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No answer for as long as patience lasted.
    #[error(
        "could not send votes to {url} for {seconds} s; check that the server runs there, then \
         run the same command again: what is stored already counts once"
    )]
    Unreachable {
        /// The route.
        url: String,
        /// For how long it was tried.
        seconds: u64,
        /// The last failure.
        source: Box<ureq::Error>,
    },
    /// Nothing but asking for patience, for as long as it lasted.
    #[error(
        "the server at {url} has answered {status} for {seconds} s ({detail}); see its log, then \
         run the same command again: what is stored already counts once"
    )]
    Busy {
        /// The route.
        url: String,
        /// The last status.
        status: u16,
        /// For how long it was tried.
        seconds: u64,
        /// What the server said.
        detail: String,
    },
    /// The server does not want what it must take.
    #[error("the server at {url} refused votes with status {status}: {detail}")]
    Refused {
        /// The route.
        url: String,
        /// The status.
        status: u16,
        /// What the server said, or what to do.
        detail: String,
    },
    /// The server took what is no vote.
    #[error(
        "the server at {url} stored a message that it must refuse as {reason}: the totals cannot \
         be met; report this as a fault of the server"
    )]
    TookMalformed {
        /// The route.
        url: String,
        /// For which reason it is no event.
        reason: &'static str,
    },
    /// A 202 that is no receipt.
    #[error(
        "the server at {url} acknowledged {stored} of {sent} votes; is it a tallyflow server, and \
         of this version?"
    )]
    Receipt {
        /// The route.
        url: String,
        /// What it says it stored.
        stored: String,
        /// What was sent.
        sent: u64,
    },
    /// A target other than these has failed.
    #[error("could not append votes to {place}")]
    Other {
        /// What the target writes to.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where to send, as it is typed: `http://HOST:PORT`, `file:PATH` or `kafka://HOST:PORT/TOPIC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A server's base address, without a slash at its end.
    Http(String),
    /// A file, one message a line.
    File(PathBuf),
    /// A topic of a Kafka cluster, as typed.
    Kafka(String),
}

impl FromStr for Address {
    type Err = TargetError;

    fn from_str(typed: &str) -> Result<Address, TargetError> {
        let unknown = || TargetError::Address(typed.to_string());
        let (scheme, rest) = typed.split_once(':').ok_or_else(unknown)?;
        match (scheme, rest.strip_prefix("//")) {
            ("http", Some(host)) if !host.trim_matches('/').is_empty() => {
                Ok(Address::Http(typed.trim_end_matches('/').to_string()))
            }
            ("file", _) if !rest.is_empty() => {
                // `file:///tmp/x` and `file:/tmp/x` are the same; `file:x` is relative.
                let path = match rest.strip_prefix("///") {
                    Some(absolute) => format!("/{absolute}"),
                    None => rest.to_string(),
                };
                Ok(Address::File(PathBuf::from(path)))
            }
            ("kafka", Some(place)) if place.contains('/') => Ok(Address::Kafka(typed.to_string())),
            _ => Err(unknown()),
        }
    }
}

/// Opens what an address names. The options are for HTTP; others have none.
pub fn open(address: &Address, http: &HttpOptions) -> Result<Box<dyn Target>, TargetError> {
    match address {
        Address::Http(base) => Ok(Box::new(HttpTarget::new(base, http))),
        Address::File(path) => Ok(Box::new(FileTarget::create(path)?)),
        Address::Kafka(typed) => Err(TargetError::Kafka(typed.clone())),
    }
}
