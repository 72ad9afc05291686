//! The tick that no published one is above: durable before it is needed, and never waited for.
//!
//! The ticker asks ahead, a thread stores. A start goes on above what is stored, so no tick comes
//! twice even if the clock was set back or the process was killed (law 7). While it cannot be
//! stored, ticks stop some seconds later: what is published stays as it is, each worker takes what
//! one tick may hold and waits, and all goes on when it is stored again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use dataflow::time::format_rfc3339;
use xxhash_rust::xxh3::xxh3_64;

use crate::checkpoint::{Place, PlaceError};
use crate::told::{Told, chain};

/// The files that hold it, each with a checksum: damage to one of them loses nothing.
const NAMES: [&str; 2] = ["tick-ceiling", "tick-ceiling-copy"];

/// How long storing rests after it has failed, on a full disk say.
const RETRY: Duration = Duration::from_secs(1);

/// What is stored, or why it cannot be used.
pub fn read(place: &Place) -> Result<u64, CeilingError> {
    let mut highest = None;
    let mut damaged = 0;
    for name in NAMES {
        match place.get(name)?.as_deref().map(decode) {
            None => {}
            Some(Some(ceiling)) => highest = highest.max(Some(ceiling)),
            Some(None) => {
                tracing::error!(
                    place = place.text(),
                    name,
                    "a copy of the tick ceiling is damaged"
                );
                damaged += 1;
            }
        }
    }
    match highest {
        None if damaged > 0 => Err(CeilingError::Damaged {
            place: place.text().to_string(),
        }),
        highest => Ok(highest.unwrap_or(0)),
    }
}

/// The copies that are not what was written.
pub fn damaged(place: &Place) -> Result<Vec<&'static str>, PlaceError> {
    let mut damaged = Vec::new();
    for name in NAMES {
        let bytes = place.get(name)?;
        if bytes.is_some_and(|bytes| decode(&bytes).is_none()) {
            damaged.push(name);
        }
    }
    Ok(damaged)
}

/// Copies what is stored to another place, where a start then goes on above it.
pub fn copy(from: &Place, to: &Place) -> Result<(), PlaceError> {
    for name in NAMES {
        if let Some(bytes) = from.get(name)? {
            to.put(name, bytes)?;
        }
    }
    Ok(())
}

/// On a full disk the copies are written over, one after the other: so one of them is whole at any
/// moment, and a start on a full disk can publish, too.
fn store(place: &Place, ceiling: u64) -> Result<(), PlaceError> {
    for name in NAMES {
        let stored = place.put(name, encode(ceiling));
        match stored {
            Err(PlaceError::Full { .. }) if other_is_whole(place, name)? => {
                place.overwrite(name, encode(ceiling))?;
            }
            stored => stored?,
        }
    }
    Ok(())
}

/// Whether the other copy is, so that this one may be damaged by a crash.
fn other_is_whole(place: &Place, but: &str) -> Result<bool, PlaceError> {
    for name in NAMES.iter().filter(|name| **name != but) {
        let bytes = place.get(name)?;
        if bytes.as_deref().and_then(decode).is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The number, and the checksum of its digits.
fn encode(ceiling: u64) -> Bytes {
    let digits = ceiling.to_string();
    let checksum = xxh3_64(digits.as_bytes());
    Bytes::from(format!("{digits} {checksum:016x}\n"))
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let ceiling = text.split(' ').next()?.parse().ok()?;
    (encode(ceiling) == bytes).then_some(ceiling)
}

/// Why the ceiling cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CeilingError {
    /// The place cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It is not what was written.
    #[error(
        "'{}' and '{}' in {place} are damaged: they hold the tick that none published before is \
         above. Delete both, if the clock of this machine was not set back since; ticks then go on \
         from the clock", NAMES[0], NAMES[1]
    )]
    Damaged {
        /// Where.
        place: String,
    },
}

/// A cheap handle to the ceiling.
#[derive(Clone)]
pub(super) struct Ceiling {
    shared: Arc<Shared>,
    ask: Sender<()>,
}

struct Shared {
    durable: AtomicU64,
    wanted: AtomicU64,
    ends: std::sync::atomic::AtomicBool,
}

impl Ceiling {
    /// Starts the thread that stores; `told` is called when the ceiling has risen, and with the
    /// reason when it cannot.
    pub(super) fn start(
        place: Place,
        last: u64,
        told: impl Fn(Option<Told>) + Send + 'static,
    ) -> std::io::Result<(Ceiling, JoinHandle<()>)> {
        let shared = Arc::new(Shared {
            durable: AtomicU64::new(last),
            wanted: AtomicU64::new(last),
            ends: std::sync::atomic::AtomicBool::new(false),
        });
        let (ask, asked) = bounded(1);
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("ceiling".to_string())
            .spawn(move || theirs.follow(&place, &asked, told))?;
        Ok((Ceiling { shared, ask }, thread))
    }

    /// What is durable.
    pub(super) fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Asks for more, to be had soon.
    pub(super) fn raise(&self, to: u64) {
        if self.shared.wanted.fetch_max(to, Ordering::AcqRel) < to {
            // One that is asked already looks at what is wanted.
            let _ = self.ask.try_send(());
        }
    }

    /// Ends: a start after this one goes on right above the last tick.
    pub(super) fn end(&self, last: u64) {
        self.shared.wanted.store(last, Ordering::Release);
        self.shared.ends.store(true, Ordering::Release);
        let _ = self.ask.try_send(());
    }
}

impl Shared {
    fn follow(&self, place: &Place, asked: &Receiver<()>, told: impl Fn(Option<Told>)) {
        let mut rests_until: Option<Instant> = None;
        loop {
            let rest = |until: Instant| until.saturating_duration_since(Instant::now());
            let wait = rests_until.map_or(Duration::MAX, rest);
            if asked.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            let ends = self.ends.load(Ordering::Acquire);
            if !ends && rests_until.is_some_and(|until| !rest(until).is_zero()) {
                // Each tick asks for more, and a place that fails is to be left alone.
                continue;
            }
            let wanted = self.wanted.load(Ordering::Acquire);
            match store(place, wanted) {
                Ok(()) => {
                    rests_until = None;
                    self.durable.store(wanted, Ordering::Release);
                    told(None);
                }
                Err(error) if ends => {
                    // The higher one stays, and holds as well.
                    tracing::warn!(%error, "the next start goes on above a higher tick");
                }
                Err(error) => {
                    rests_until = Some(Instant::now() + RETRY);
                    let durable = self.durable.load(Ordering::Acquire);
                    let last = format_rfc3339(i64::try_from(durable).unwrap_or(i64::MAX));
                    let public = format!(
                        "nothing is published after {last}, since the place of checkpoints cannot be \
                         written"
                    );
                    let full = format!("nothing is published after {last}: {}", chain(&error));
                    told(Some(Told::new(public, full)));
                    let cause = &error as &dyn std::error::Error;
                    tracing::error!(
                        error = cause,
                        "nothing is published after {last} until the tick ceiling is stored"
                    );
                }
            }
            if ends {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_to_one_copy_loses_nothing_and_to_both_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let text = directory.path().display().to_string();
        let place = Place::open(&text, runtime.handle().clone()).unwrap();
        assert_eq!(read(&place).unwrap(), 0);
        store(&place, 1_795_000_000_123).unwrap();
        assert_eq!(read(&place).unwrap(), 1_795_000_000_123);
        for broken in ["", "1795000000124 0000000000000000\n", "1795000000123"] {
            place.put(NAMES[0], Bytes::from(broken)).unwrap();
            assert_eq!(read(&place).unwrap(), 1_795_000_000_123, "{broken:?}");
        }
        place.put(NAMES[1], Bytes::from("no number")).unwrap();
        let error = read(&place).unwrap_err().to_string();
        assert!(error.contains("Delete both"), "{error}");
    }
}
