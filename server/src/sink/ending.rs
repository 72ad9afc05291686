//! The end of the service as the sink's thread sees it: when it begins, and until when it lasts.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Waits for the end, or looks whether it has come.
#[derive(Clone)]
pub struct Ending(watch::Receiver<Option<Instant>>);

/// Lets the end begin.
pub struct EndingSender(watch::Sender<Option<Instant>>);

/// Both sides.
pub fn ending() -> (EndingSender, Ending) {
    let (sender, receiver) = watch::channel(None);
    (EndingSender(sender), Ending(receiver))
}

impl EndingSender {
    /// Begins the end, which lasts for so long at most.
    pub fn begin(&self, lasts: Duration) {
        self.0.send_replace(Some(Instant::now() + lasts));
    }
}

impl Ending {
    /// Whether what is under way should be brought to its end.
    pub fn has_begun(&self) -> bool {
        // Nobody is there any more to begin it: that is an end too.
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }

    /// Whether what is under way must be given up.
    pub fn is_over(&self) -> bool {
        let until = *self.0.borrow();
        match until {
            Some(until) => Instant::now() >= until,
            None => self.0.has_changed().is_err(),
        }
    }

    /// Resolves when the end begins.
    pub async fn begun(&mut self) {
        while !self.has_begun() {
            // An error says that it has begun.
            let _ = self.0.changed().await;
        }
    }
}
