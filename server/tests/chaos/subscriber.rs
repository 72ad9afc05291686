//! Subscribers of every process and contest, for the whole run: they reconnect for ever with the
//! last id that they have seen, as browsers do.
//!
//! Each holds a page and checks that every frame agrees in itself; what it holds then goes to the
//! witness. Others ask for the status and check that every message has one outcome.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;

use crate::ask;
use crate::board::Board;
use crate::laws::Page;
use crate::stream::{Event, Stream};
use crate::witness::{Seen, Witness};

/// The threads whose panics are objections, not ends.
pub const THREADS: &str = "subscriber";

/// How long before it is tried again to connect.
const RETRY: Duration = Duration::from_millis(15);

/// How often the status is asked for.
const STATUS_EVERY: Duration = Duration::from_millis(100);

/// All subscribers.
pub struct Subscribers {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

struct Subscriber {
    board: Arc<Board>,
    witness: Arc<Witness>,
    ended: Arc<AtomicBool>,
    process: usize,
}

impl Subscribers {
    /// Subscribes to the contests of so many processes, whether they are there or not.
    pub fn start(
        board: &Arc<Board>,
        witness: &Arc<Witness>,
        processes: usize,
        contests: &[String],
        intervals_ms: &[u64],
    ) -> std::io::Result<Subscribers> {
        let mut subscribers = Subscribers {
            ended: Arc::default(),
            threads: Vec::new(),
        };
        let mut intervals_ms = intervals_ms.iter().cycle().copied();
        for process in 0..processes {
            let subscriber = || Subscriber {
                board: Arc::clone(board),
                witness: Arc::clone(witness),
                ended: Arc::clone(&subscribers.ended),
                process,
            };
            let mut runs: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
            for contest in contests {
                let (subscriber, contest) = (subscriber(), contest.clone());
                let interval_ms = intervals_ms.next().unwrap_or(0);
                runs.push(Box::new(move || subscriber.follow(&contest, interval_ms)));
            }
            let watcher = subscriber();
            runs.push(Box::new(move || watcher.watch_status()));
            for run in runs {
                let thread = std::thread::Builder::new().name(THREADS.to_string());
                subscribers.threads.push(thread.spawn(run)?);
            }
        }
        Ok(subscribers)
    }

    /// Ends all of them; the service must have ended, which ends the streams.
    pub fn end(self) {
        self.ended.store(true, Ordering::Release);
        for thread in self.threads {
            // What a subscriber found is with the witness.
            let _ = thread.join();
        }
    }
}

impl Subscriber {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }

    /// Follows a contest.
    fn follow(&self, contest: &str, interval_ms: u64) {
        let query = format!(
            "?contest={}&interval_ms={interval_ms}",
            ask::encode(contest)
        );
        let mut page = Page::default();
        while self.goes_on() {
            if let Some((start, address)) = self.board.process(self.process) {
                self.follow_connection(start, address, &query, contest, &mut page);
            }
            std::thread::park_timeout(RETRY);
        }
    }

    /// Follows until the connection ends, in whichever way.
    fn follow_connection(
        &self,
        start: u64,
        address: SocketAddr,
        query: &str,
        contest: &str,
        page: &mut Page,
    ) {
        let last = (page.tick > 0).then(|| page.tick.to_string());
        let Ok(mut stream) = Stream::try_open(address, query, last.as_deref()) else {
            return;
        };
        let stays = |event: &Event| ["alive", "reset"].contains(&event.name.as_str());
        loop {
            let event = match catch_unwind(AssertUnwindSafe(|| stream.try_next())) {
                Ok(Ok(Some(event))) => event,
                Ok(_) => return,
                Err(panic) => return self.object(start, contest, page, &*panic),
            };
            if stays(&event) {
                continue;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| page.take(&event))) {
                self.object(start, contest, page, &*panic);
                // What follows a wrong frame is measured by a new snapshot.
                *page = Page::default();
                return;
            }
            self.witness.see(Seen {
                start,
                process: self.process,
                contest: contest.to_string(),
                tick: page.tick,
                offsets: serde_json::from_value(event.data["results"]["offsets"].clone())
                    .unwrap_or_default(),
                print: print(page),
            });
        }
    }

    fn object(&self, start: u64, contest: &str, page: &Page, panic: &(dyn std::any::Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        self.witness.object(format!(
            "a frame of {contest} by process {} (start {start}, after tick {}) is wrong: {}",
            self.process,
            page.tick,
            text.unwrap_or("it could not be read")
        ));
    }

    /// Asks for the status as long as there is one.
    fn watch_status(&self) {
        while self.goes_on() {
            let there = self.board.process(self.process);
            let status = there.and_then(|(_, address)| ask::status(address).ok());
            if let Some(status) = status {
                self.witness.count_status();
                if let Some(objection) = disagreement(&status) {
                    let process = self.process;
                    self.witness
                        .object(format!("the status of process {process}: {objection}"));
                }
            }
            std::thread::park_timeout(STATUS_EVERY);
        }
    }
}

/// A hash of all that a page shows.
fn print(page: &Page) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{page:?}").hash(&mut hasher);
    hasher.finish()
}

/// Every message has one outcome, every cast one state. Offsets are not compared with messages:
/// transactions leave gaps.
fn disagreement(status: &Json) -> Option<String> {
    let number = |value: &Json| value.as_u64().unwrap_or(0);
    let of = |name: &str| number(&status[name]);
    let sum = |map: &Json| -> u64 {
        let counts = map.as_object().into_iter().flatten();
        counts.map(|(_, count)| number(count)).sum()
    };
    let outcomes = of("received") + of("voids") + of("duplicates") + sum(&status["refused"]);
    if of("messages") != outcomes {
        return Some(format!(
            "{} messages and {outcomes} outcomes",
            of("messages")
        ));
    }
    let states = ["accepted", "superseded", "voided", "set_aside"];
    let states: u64 = states
        .iter()
        .map(|state| number(&status["counts"][state]))
        .sum();
    let (received, set_aside) = (of("received"), number(&status["counts"]["set_aside"]));
    if received != states {
        return Some(format!(
            "{received} casts received and {states} with a state"
        ));
    }
    let by_reason = sum(&status["set_aside_by"]);
    (set_aside != by_reason).then(|| format!("{set_aside} set aside and {by_reason} with a reason"))
}
