//! What two processes tell each other before they count together, once each has proven that it
//! knows the secret.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::format::FormatIdentity;

/// The first bytes of every connection: a stray one is told apart by them.
pub(super) const MAGIC: &[u8; 8] = b"tallyfl2";

/// These, and the length of the text that follows.
const HEAD_BYTES: usize = MAGIC.len() + 4;

/// The longest text that is exchanged here; a longer one comes from something else.
const TEXT_BYTES_MAX: u32 = 64 << 10;

/// The longest that is read of somebody who has not proven yet who it is.
const STRANGER_BYTES_MAX: usize = 512;

/// How a process was started. All must have been started alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The program's version.
    pub version: String,
    /// Which process it is.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
    /// Worker threads of each.
    pub workers: usize,
    /// The topic.
    pub topic: String,
    /// The allowed lateness.
    pub lateness_ms: i64,
    /// How long windows are served.
    pub horizon_ms: i64,
    /// Below how many ballots the public is shown no row.
    pub disclose_min: u64,
    /// How messages are read.
    pub format: FormatIdentity,
}

/// What process 0 has decided for this run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Names this run; process 0 has written it where checkpoints are.
    pub run: String,
    /// The checkpoint that all go on from.
    pub checkpoint: Option<u64>,
    /// What tells the key of the hashes of voters from others; the key itself is never sent.
    pub key_fingerprint: String,
    /// What tells the topic from another of the same name.
    pub topic_id: String,
}

impl Hello {
    /// What another process was started with that does not fit this one.
    pub(super) fn unlike(&self, other: &Hello) -> Option<String> {
        let differences = [
            ("version", &self.version, &other.version),
            ("--topic", &self.topic, &other.topic),
            (
                "-n",
                &self.processes.to_string(),
                &other.processes.to_string(),
            ),
            ("-w", &self.workers.to_string(), &other.workers.to_string()),
            (
                "--lateness in ms",
                &self.lateness_ms.to_string(),
                &other.lateness_ms.to_string(),
            ),
            (
                "--horizon in ms",
                &self.horizon_ms.to_string(),
                &other.horizon_ms.to_string(),
            ),
            (
                "--disclose-min",
                &self.disclose_min.to_string(),
                &other.disclose_min.to_string(),
            ),
            (
                "--map or --time-zone",
                &format!("{:?}", self.format),
                &format!("{:?}", other.format),
            ),
        ]
        .into_iter()
        .find(|(_, mine, theirs)| mine != theirs)
        .map(|(what, mine, theirs)| format!("its {what} is {theirs}, here it is {mine}"));
        differences.or_else(|| {
            (self.process == other.process).then(|| format!("it is -p {} too", self.process))
        })
    }
}

/// Sends a text with its length.
pub(super) fn send(socket: &mut TcpStream, value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_vec(value)?;
    let mut bytes = Vec::with_capacity(json.len() + HEAD_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(json.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&json);
    socket.write_all(&bytes)
}

/// Reads one.
pub(super) fn receive<T: DeserializeOwned>(socket: &mut TcpStream) -> io::Result<T> {
    let mut head = [0; HEAD_BYTES];
    socket.read_exact(&mut head)?;
    let mut json = vec![0; length(&head)?];
    socket.read_exact(&mut json)?;
    serde_json::from_slice(&json).map_err(Into::into)
}

/// Whether one of a stranger can be read without waiting, from a socket that does not block.
pub(super) fn has_come(socket: &TcpStream) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    if peek(socket, &mut head)? < HEAD_BYTES {
        return Ok(false);
    }
    let length = length(&head)?;
    if length > STRANGER_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "it says too much"));
    }
    let mut whole = vec![0; HEAD_BYTES + length];
    Ok(peek(socket, &mut whole)? == whole.len())
}

/// How much of what a socket that does not block has to read fits; an error at its end.
pub(super) fn peek(socket: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    match socket.peek(bytes) {
        Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "it has hung up")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        peeked => peeked,
    }
}

/// The length of the text after a head.
fn length(head: &[u8; HEAD_BYTES]) -> io::Result<usize> {
    let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    if &head[..8] != MAGIC || length > TEXT_BYTES_MAX {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "it is no tallyflow process of this version",
        ));
    }
    Ok(length as usize)
}
