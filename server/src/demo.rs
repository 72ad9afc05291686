//! The demo: a real election replayed into a log of its own, in about ninety seconds.
//!
//! It makes its data directory and marks it, and touches only a directory with that mark: nobody's
//! real votes. A restart goes on where the last one ended: how far it is is stored with the votes.

use std::fs;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use producer::{Batch, Delivery, Election, Options, Rate, Replay, Shares, Target, TargetError};
use serde::{Deserialize, Serialize};

use crate::count::Reach;
use crate::http::Demo;
use crate::plan::CHECKPOINTS;
use crate::publish::Publisher;
use crate::source::embedded::EmbeddedLog;
use crate::source::{LogError, Message};

/// The file that marks a directory as the demo's.
pub const MARK: &str = "demo.json";

/// Where the log is in a data directory.
pub const LOG: &str = "log";

const POSITION: &str = "demo_position";

/// How long the replay takes.
const SECONDS: u64 = 90;

/// How long a busy log is left alone.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// What goes wrong in the demo's election: enough to see counts go down, and few enough to
/// believe.
const SHARES: Shares = Shares {
    duplicates: 0.01,
    revotes: 0.02,
    voids: 0.01,
    late: 0.02,
    malformed: 0.001,
};

/// What the mark says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    demo: String,
}

/// Why a directory is not the demo's to use.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It holds something else.
    #[error(
        "could not use '{}' for the demo: it is not empty and the demo did not make it; name \
         another with --data DIR, or count its votes with --register FILE", .0.display()
    )]
    NotOurs(PathBuf),
    /// A register is given for a demo's directory.
    #[error(
        "could not use '{}': it holds the demo's votes; name another with --data DIR", .0.display()
    )]
    IsDemo(PathBuf),
    /// Another demo is there.
    #[error(
        "could not use '{}': it holds the demo {demo}; start it with --demo {demo}, replace it \
         with --fresh, or name another directory with --data DIR", .directory.display()
    )]
    Other {
        /// The directory.
        directory: PathBuf,
        /// The demo that is there.
        demo: String,
    },
    /// It is in use.
    #[error("could not start the demo anew")]
    InUse(#[source] LogError),
    /// The directory cannot be read or written.
    #[error("could not prepare '{}' for the demo", .path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes sure that a directory is not a demo's.
pub fn refuse_demo(directory: &Path) -> Result<(), DemoError> {
    match read_mark(directory)? {
        Some(_) => Err(DemoError::IsDemo(directory.to_path_buf())),
        None => Ok(()),
    }
}

/// Makes a directory the demo's, or makes sure that it is; empties its log if `fresh`.
pub fn prepare(
    directory: &Path,
    election: &str,
    topic: &str,
    fresh: bool,
) -> Result<(), DemoError> {
    let io = |source| DemoError::Io {
        path: directory.to_path_buf(),
        source,
    };
    let demo = Mark {
        demo: election.to_string(),
    };
    match read_mark(directory)? {
        None => {
            let used = match fs::read_dir(directory) {
                Ok(mut entries) => entries.next().is_some(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
                Err(error) => return Err(io(error)),
            };
            if used {
                return Err(DemoError::NotOurs(directory.to_path_buf()));
            }
            fs::create_dir_all(directory).map_err(io)?;
        }
        Some(_) if fresh => {
            remove_log(&directory.join(LOG), topic)?;
            let checkpoints = directory.join(CHECKPOINTS);
            if checkpoints.exists() {
                fs::remove_dir_all(&checkpoints).map_err(io)?;
            }
        }
        Some(mark) if mark != demo => {
            return Err(DemoError::Other {
                directory: directory.to_path_buf(),
                demo: mark.demo,
            });
        }
        Some(_) => return Ok(()),
    }
    let json = serde_json::to_string(&demo).expect("a mark is plain data");
    fs::write(directory.join(MARK), json).map_err(io)
}

fn read_mark(directory: &Path) -> Result<Option<Mark>, DemoError> {
    let path = directory.join(MARK);
    let failed = |source| DemoError::Io {
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| failed(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Removes a demo's log, if no process has it open.
fn remove_log(log: &Path, topic: &str) -> Result<(), DemoError> {
    if !log.exists() {
        return Ok(());
    }
    match EmbeddedLog::open(log, topic) {
        Ok(open) => open.close().map_err(DemoError::InUse)?,
        Err(error @ LogError::InUse { .. }) => return Err(DemoError::InUse(error)),
        // Whatever else is wrong with it goes with it.
        Err(_) => {}
    }
    fs::remove_dir_all(log).map_err(|source| DemoError::Io {
        path: log.to_path_buf(),
        source,
    })
}

/// How the demo is, for `/status`.
#[derive(Clone)]
pub struct DemoState(Arc<Mutex<Demo>>);

impl DemoState {
    fn new() -> DemoState {
        DemoState(Arc::new(Mutex::new(Demo {
            state: "running".to_string(),
            message: "the election is being replayed".to_string(),
        })))
    }

    /// How it is now.
    pub fn get(&self) -> Demo {
        self.lock().clone()
    }

    fn finish(&self) {
        let message = "the demo is finished. Start it again with --fresh; count your own votes \
                       with --register FILE and POST /api/v1/votes.";
        tracing::info!("{message}");
        *self.lock() = Demo {
            state: "finished".to_string(),
            message: message.to_string(),
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Demo> {
        // Two texts are whole whoever panicked while holding them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replays an election into the log on a thread of its own, once results are published.
pub fn start(
    election: &Election,
    log: Arc<EmbeddedLog>,
    runtime: tokio::runtime::Handle,
    publisher: Publisher,
    reach: Reach,
) -> anyhow::Result<(DemoState, JoinHandle<()>)> {
    let options = Options {
        shares: SHARES,
        ..Options::default()
    };
    let mut replay = Replay::new(election, &options)?;
    let position = match log.get(POSITION)? {
        Some(kept) => u64::from_be_bytes(kept.try_into().map_err(|_| {
            anyhow::anyhow!("the demo's progress is damaged: start it again with --fresh")
        })?),
        None => 0,
    };
    replay.skip(position);
    let per_second = NonZeroU64::new(replay.messages_total() / SECONDS);
    let rate = per_second.map_or(Rate::Max, Rate::PerSecond);
    let state = DemoState::new();
    let (said, mut target) = (
        state.clone(),
        LogTarget {
            log,
            runtime,
            position,
        },
    );
    let run = move || {
        while !publisher.is_ready() && !reach.stopping() {
            thread::park_timeout(BUSY_WAIT);
        }
        let mut watch = |_| {
            if reach.stopping() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        match producer::deliver(&mut replay, &mut target, rate, &mut watch) {
            Ok(_) if replay.position() < replay.messages_total() => {}
            Ok(_) => said.finish(),
            Err(error) => tracing::error!(%error, "the demo has stopped"),
        }
    };
    let thread = thread::Builder::new().name("demo".to_string()).spawn(run)?;
    Ok((state, thread))
}

/// Appends to the server's own log, and stores with each batch how far the replay is.
struct LogTarget {
    log: Arc<EmbeddedLog>,
    runtime: tokio::runtime::Handle,
    position: u64,
}

impl Target for LogTarget {
    fn send(&mut self, batch: &Batch) -> Result<(), TargetError> {
        let messages: Vec<Message> = batch
            .messages()
            .map(|message| Message {
                key: Bytes::copy_from_slice(message.key),
                bytes: Bytes::copy_from_slice(message.bytes),
            })
            .collect();
        let position = self.position + messages.len() as u64;
        loop {
            let append = self.log.append_with_fact(
                messages.clone(),
                i64::MIN,
                POSITION,
                &position.to_be_bytes(),
            );
            match self.runtime.block_on(append) {
                Ok(_) => {
                    self.position = position;
                    return Ok(());
                }
                Err(LogError::Busy | LogError::ClockJump { .. }) => thread::park_timeout(BUSY_WAIT),
                Err(error) => {
                    return Err(TargetError::Other {
                        place: "the demo's log".to_string(),
                        source: Box::new(error),
                    });
                }
            }
        }
    }

    fn finish(&mut self) -> Result<Delivery, TargetError> {
        Ok(Delivery {
            stored: self.position,
            ..Delivery::default()
        })
    }
}
