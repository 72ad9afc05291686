//! The tick that no published one is above: durable before it is needed, and never waited for.
//!
//! The ticker asks ahead, a thread stores. A start goes on above what is stored, so no tick comes
//! twice even if the clock was set back or the process was killed (law 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::checkpoint::{Place, PlaceError};

/// The file that holds it.
const NAME: &str = "tick-ceiling";

/// How long storing rests after it has failed, on a full disk say.
const RETRY: Duration = Duration::from_secs(1);

/// What is stored, or why it cannot be used.
pub fn read(place: &Place) -> Result<u64, CeilingError> {
    let Some(bytes) = place.get(NAME)? else {
        return Ok(0);
    };
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| CeilingError::Damaged {
            place: place.text().to_string(),
        })
}

/// Why the ceiling cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CeilingError {
    /// The place cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It is not what was written.
    #[error(
        "'{NAME}' in {place} is damaged: write a number of milliseconds since 1970 into it that is \
         above every tick that was published, such as that of now"
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
    /// Starts the thread that stores; `woken` is called when the ceiling has risen.
    pub(super) fn start(
        place: Place,
        last: u64,
        woken: impl Fn() + Send + 'static,
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
            .spawn(move || theirs.follow(&place, &asked, woken))?;
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
    fn follow(&self, place: &Place, asked: &Receiver<()>, woken: impl Fn()) {
        let mut failed = false;
        loop {
            let wait = if failed { RETRY } else { Duration::MAX };
            if asked.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            let ends = self.ends.load(Ordering::Acquire);
            let wanted = self.wanted.load(Ordering::Acquire);
            match place.put(NAME, Bytes::from(format!("{wanted}\n"))) {
                Ok(()) => {
                    failed = false;
                    self.durable.store(wanted, Ordering::Release);
                    woken();
                }
                Err(error) if ends => {
                    // The higher one stays, and holds as well.
                    tracing::warn!(%error, "the next start goes on above a higher tick");
                }
                Err(error) => {
                    failed = true;
                    tracing::error!(%error, "no tick can be closed until its ceiling is stored");
                }
            }
            if ends {
                return;
            }
        }
    }
}
