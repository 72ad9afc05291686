//! A sink's thread: follows the published ticks, writes what differs, begins anew after a failure.
//!
//! What is written where is the [`Sink`]'s; when, how often and how it ends is the same for all.
//! The publishing knows nothing of these threads.

use std::error::Error;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::ending::{self, Ending, EndingSender};
use super::status::Account;
use crate::publish::{Publisher, Tick};
use crate::told::Told;

/// The shortest time from the beginning of one round to that of the next.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// With nothing to write, so often the sink is served.
const IDLE: Duration = Duration::from_secs(1);

/// So often it is seen whether the first results are published.
const READY_WAIT: Duration = Duration::from_millis(100);

/// How long the end waits for the last round.
const END_MAX: Duration = Duration::from_secs(2);

/// How much longer a thread is waited for that does not look at the end.
const HANGS_MAX: Duration = Duration::from_millis(500);

/// How long the first pause after a failure is; each is twice the one before.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// How long a pause is at most.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Where published rows are written.
pub trait Sink: Send + 'static {
    /// Its name in `/status`, in metrics and of its thread.
    const NAME: &'static str;

    /// A connection, and what is known of the rows that are there.
    type Session;

    /// Why it fails.
    type Error: SinkError;

    /// On the sink's thread, before anything else.
    fn begin(&mut self) {}

    /// Connects and looks what is there.
    fn open(&mut self, at: &Desk) -> Result<Self::Session, Self::Error>;

    /// Brings what is there to a published tick; says how many rows that took, but for those of
    /// which [`Desk::progress`] was told.
    fn write(
        &mut self,
        session: &mut Self::Session,
        tick: &Tick,
        at: &Desk,
    ) -> Result<u64, Self::Error>;

    /// Looks after a session that has nothing to write.
    fn serve(&mut self, _session: &mut Self::Session) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Why a sink fails.
pub trait SinkError: Error {
    /// What does not work, for `/status`: without what the other side says, which names hosts.
    const PUBLIC: &'static str;

    /// The error of a sink that cannot finish before the end.
    fn ended() -> Self;

    /// Whether it is that one.
    fn is_end(&self) -> bool;
}

/// What a sink works with.
pub struct Desk {
    /// The published ticks.
    pub publisher: Publisher,
    /// The end of the service.
    pub ending: Ending,
    /// For what waits asynchronously.
    pub runtime: Runtime,
    account: Account,
}

impl Desk {
    /// Rows of a round that is not finished yet have been written.
    pub fn progress(&self, rows: u64) {
        self.account.add_rows(rows);
    }

    /// Shows a failure; the log gets one that lasts only once.
    pub fn report<E: SinkError>(&self, error: &E) {
        let told = Told::of(E::PUBLIC, error);
        if self.account.fail(told.clone()) {
            tracing::warn!("{}; trying again", told.full);
        }
    }
}

/// A sink at work. Dropping it ends it without a last round.
pub struct Follower {
    account: Account,
    ending: EndingSender,
    thread: Option<JoinHandle<()>>,
}

struct Work<S> {
    sink: S,
    desk: Desk,
    ticks: watch::Receiver<u64>,
    written: Option<u64>,
    pause: Duration,
}

impl Follower {
    /// Starts a sink on a thread of its own.
    pub fn start<S: Sink>(sink: S, publisher: Publisher) -> std::io::Result<Follower> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let account = Account::new(S::NAME, publisher.clone());
        let (sender, ending) = ending::ending();
        let work = Work {
            sink,
            ticks: publisher.ticks(),
            written: None,
            desk: Desk {
                publisher,
                ending,
                runtime,
                account: account.clone(),
            },
            pause: BACKOFF_MIN,
        };
        let thread = std::thread::Builder::new()
            .name(S::NAME.to_string())
            .spawn(move || work.run())?;
        Ok(Follower {
            account,
            ending: sender,
            thread: Some(thread),
        })
    }

    /// The sink's state, for `/status`; it may outlive the sink.
    pub fn account(&self) -> Account {
        self.account.clone()
    }

    /// Writes what is published by now, within two seconds or so, and ends. Call it once nothing
    /// is published any more.
    pub fn end(mut self) {
        self.join(END_MAX);
    }

    fn join(&mut self, lasts: Duration) {
        self.ending.begin(lasts);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // One that waits for somebody who does not answer is left behind; what it has not
        // written, the next start does.
        let deadline = Instant::now() + lasts + HANGS_MAX;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            // A panic has been reported by its hook, and shows as a failure.
            let _ = thread.join();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.join(Duration::ZERO);
    }
}

impl<S: Sink> Work<S> {
    fn run(mut self) {
        let _guard = Guard(self.desk.account.clone());
        self.sink.begin();
        while !self.desk.ending.has_begun() {
            match self.session() {
                Ok(()) => return,
                Err(error) if error.is_end() => break,
                Err(error) => self.rest_after(&error),
            }
        }
        if self.desk.publisher.is_ready() {
            tracing::warn!("{}", S::Error::ended());
        }
    }

    /// From the connection to the end of the service, or to a failure.
    fn session(&mut self) -> Result<(), S::Error> {
        self.wait_for_results();
        self.written = None;
        let mut session = self.sink.open(&self.desk)?;
        loop {
            let started = Instant::now();
            // Seen before the tick is: the last round has all that was published by the end.
            let is_last = self.desk.ending.has_begun();
            if let Some(tick) = self.newest() {
                let rows = self.sink.write(&mut session, &tick, &self.desk)?;
                self.written = Some(tick.number());
                self.desk.account.finish_round(tick.number(), rows);
                self.pause = BACKOFF_MIN;
            }
            if is_last {
                return Ok(());
            }
            self.wait_for_tick(started + ROUND_INTERVAL, &mut session)?;
        }
    }

    /// The published tick, unless it is the one that is written.
    fn newest(&self) -> Option<Arc<Tick>> {
        let tick = self.desk.publisher.current();
        tick.filter(|tick| Some(tick.number()) != self.written)
    }

    fn wait_for_results(&mut self) {
        let desk = &mut self.desk;
        while !desk.publisher.is_ready() && !desk.ending.has_begun() {
            let begun = desk.ending.begun();
            desk.runtime.block_on(async {
                // Which of the two it was is seen above.
                let _ = tokio::time::timeout(READY_WAIT, begun).await;
            });
        }
    }

    /// Waits for a tick that is not written, and until the next round may begin.
    fn wait_for_tick(
        &mut self,
        not_before: Instant,
        session: &mut S::Session,
    ) -> Result<(), S::Error> {
        while !self.desk.ending.has_begun() {
            let is_due = self.newest().is_some();
            let now = Instant::now();
            if is_due && now >= not_before {
                break;
            }
            self.sink.serve(session)?;
            let wait = if is_due {
                not_before.saturating_duration_since(now)
            } else {
                IDLE
            };
            let (ticks, ending) = (&mut self.ticks, &mut self.desk.ending);
            self.desk.runtime.block_on(async {
                tokio::select! {
                    // The sender lives as long as the publisher that this thread holds.
                    _ = ticks.changed(), if !is_due => {}
                    () = ending.begun() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            });
        }
        Ok(())
    }

    fn rest_after(&mut self, error: &S::Error) {
        self.desk.report(error);
        let (pause, begun) = (self.pause, self.desk.ending.begun());
        self.desk.runtime.block_on(async {
            // Whether the end has begun is seen by the caller.
            let _ = tokio::time::timeout(pause, begun).await;
        });
        self.pause = (self.pause * 2).min(BACKOFF_MAX);
    }
}

/// Shows a panic of the sink's thread, which nobody mends, as a failure.
struct Guard(Account);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "the sink has stopped, this is a bug: restart the service";
            self.0.fail(Told::same(text));
        }
    }
}
