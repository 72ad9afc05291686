//! The signals: those that end the service well, with a last checkpoint, and the one that lets it
//! read files again.
//!
//! SIGINT (Ctrl-C) and SIGTERM (`kill`, service managers, containers) end it. SIGHUP (`kill -HUP`,
//! `systemctl reload`) ends nothing; under `nohup` it is ignored, and stays so. SIGQUIT ends at
//! once and may leave a core, as people who send it expect.

use std::future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalMeaning {
    /// End, by this signal.
    End(&'static str),
    /// Read the token's and the register's files again.
    ReadAgain,
}

/// The signals, from when they are listened for.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens, in a runtime; from now on none of them ends the process by itself.
    pub fn listen() -> io::Result<Signals> {
        let hangs_up = !ignores_hangup();
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangs_up.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    /// Waits for one.
    pub async fn next(&mut self) -> SignalMeaning {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SignalMeaning::End("SIGINT"),
            _ = self.terminate.recv() => SignalMeaning::End("SIGTERM"),
            _ = hangup => SignalMeaning::ReadAgain,
        }
    }
}

/// Whether the process was started with SIGHUP ignored, as far as the system says.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, 1))
}

/// Whether a signal is ignored, by the process's status as Linux gives it: a mask in hexadecimal
/// digits, the first signal being its lowest bit.
fn ignores(status: &str, signal: u32) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_says_what_is_ignored() {
        let status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert!(ignores(status, 1));
        assert!(ignores(status, 13));
        assert!(!ignores(status, 15));
        assert!(!ignores("", 1));
    }
}
