//! Looks in the background whether what lies on the disk is still as it was written.
//!
//! A restart reads only what the checkpoints do not have, so damage to an old part of the log, or
//! to a checkpoint, would be found when it is needed. This thread reads the log and the newest
//! checkpoint again and again, slowly, and says what it finds as warnings. It changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::background;
use crate::checkpoint::{self, Damaged, Place};
use crate::source::embedded::{Damage, EmbeddedLog};
use crate::warnings::{Warnings, some_of};

/// How fast is read: less than a hundredth of a core, and of what a disk gives.
const BYTES_PER_SECOND: u64 = 8 << 20;

/// The time between the end of one pass and the next.
const REST: Duration = Duration::from_secs(600);

/// What is looked at.
pub struct Scrub {
    /// The log, where it is on this disk.
    pub log: Option<Arc<EmbeddedLog>>,
    /// The checkpoints, where they are on this disk: an object store looks after itself.
    pub place: Option<Place>,
    /// Where it is said.
    pub warnings: Warnings,
    /// Tells it to end.
    pub stop: Arc<AtomicBool>,
}

impl Scrub {
    /// Starts the thread.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        let thread = thread::Builder::new().name("scrub".to_string());
        thread.spawn(move || {
            background::let_others_go_first();
            self.run();
        })
    }

    fn run(&self) {
        let mut has_warned = false;
        while !self.ends() {
            if let Some(log) = &self.log {
                self.check_log(log);
            }
            if let Some(place) = &self.place {
                has_warned = self.check_checkpoints(place, has_warned);
            }
            self.rest(REST);
        }
    }

    fn check_log(&self, log: &EmbeddedLog) {
        let checked = log.check(&mut |bytes| {
            self.rest(Duration::from_millis(bytes * 1000 / BYTES_PER_SECOND));
            !self.ends()
        });
        match checked {
            // A pass that was cut short tells nothing.
            Ok(_) if self.ends() => {}
            Ok(damage) if damage.is_empty() => self.warnings.clear("log_damaged"),
            Ok(damage) => self.warnings.raise("log_damaged", of_log(&damage)),
            Err(error) => tracing::warn!(%error, "the log is looked at later"),
        }
    }

    /// Gives whether a warning of its own stands.
    fn check_checkpoints(&self, place: &Place, has_warned: bool) -> bool {
        let mut found = self.damage_of_the_newest(place);
        if found.as_ref().is_some_and(|found| !found.is_empty()) {
            // Files of a checkpoint that is followed by another go while they are looked at.
            found = self.damage_of_the_newest(place);
        }
        match found {
            None => has_warned,
            Some(damaged) if damaged.is_empty() => {
                if has_warned {
                    self.warnings.clear("checkpoint_damaged");
                }
                false
            }
            Some(damaged) => {
                self.warnings
                    .raise("checkpoint_damaged", of_checkpoint(&damaged));
                true
            }
        }
    }

    /// None where it cannot be told now.
    fn damage_of_the_newest(&self, place: &Place) -> Option<Vec<Damaged>> {
        let examined = checkpoint::examine_newest(place, &mut |bytes| {
            self.rest(Duration::from_millis(bytes * 1000 / BYTES_PER_SECOND));
            !self.ends()
        });
        match examined {
            Ok(damaged) => damaged,
            Err(error) => {
                tracing::warn!(%error, "the checkpoints are looked at later");
                None
            }
        }
    }

    fn ends(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps; whoever tells it to end wakes it.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.ends() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

fn of_log(damage: &[Damage]) -> String {
    format!(
        "the log is damaged in {}: what was counted stays counted while the checkpoints have it, \
         but the log alone would not give it again; do not use --recount, run `tallyflow verify` \
         while the service is stopped, restore the log from a copy, and check the disk",
        some_of(damage)
    )
}

fn of_checkpoint(damaged: &[Damaged]) -> String {
    format!(
        "the newest checkpoint is damaged ({}): the next start uses the one before it, or counts \
         from the log, where that has everything; check the disk",
        some_of(damaged)
    )
}
