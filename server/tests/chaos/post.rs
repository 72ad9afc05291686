//! Votes over HTTP, to whichever process listens: what is acknowledged must be in the topic.
//!
//! In come requests' lines; out goes what was acknowledged. A request without a good answer is
//! sent again, as the answer says that it may be, or given up; then nothing is known of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::board::Board;
use crate::client::Client;
use crate::dice::Dice;

/// How often a request is sent before it is given up.
const TRIES_MAX: usize = 200;

/// How long before it is sent again.
const AGAIN: Duration = Duration::from_millis(40);

/// What was sent over HTTP.
#[derive(Debug, Default)]
pub struct Posted {
    /// Lines that were acknowledged.
    pub acknowledged: Vec<Vec<u8>>,
    /// What should not have been answered.
    pub objections: Vec<String>,
    /// Requests without a good answer until the end.
    pub given_up: u64,
}

impl Posted {
    /// Takes another poster's.
    pub fn add(&mut self, other: Posted) {
        self.acknowledged.extend(other.acknowledged);
        self.objections.extend(other.objections);
        self.given_up += other.given_up;
    }
}

/// Sends requests until there are no more.
pub fn post(
    waiting: &Mutex<Receiver<Vec<Vec<u8>>>>,
    board: &Board,
    mut dice: Dice,
    stop: &AtomicBool,
) -> Posted {
    let mut posted = Posted::default();
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(lines) = next else {
            return posted;
        };
        let mut tries = 0..TRIES_MAX;
        while tries.next().is_some() && !stop.load(Ordering::Acquire) {
            if try_post(&lines, board, &mut dice, &mut posted) {
                tries.end = 0;
            } else {
                std::thread::park_timeout(AGAIN);
            }
        }
        posted.given_up += u64::from(tries.end != 0);
    }
}

/// Sends a request once; whether it is answered for good.
fn try_post(lines: &[Vec<u8>], board: &Board, dice: &mut Dice, posted: &mut Posted) -> bool {
    let Some(address) = board.any(dice) else {
        return false;
    };
    let headers = [("Content-Type", "application/x-ndjson")];
    let body = lines.join(&b'\n');
    let answer = Client::new(address).try_send("POST", "/api/v1/votes", &headers, &body);
    match answer {
        Ok(answer) if answer.status == 202 => {
            posted.acknowledged.extend_from_slice(lines);
            true
        }
        Ok(answer) if matches!(answer.status, 400..=428) => {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            let objection = format!("good votes are answered with {}: {body}", answer.status);
            posted.objections.push(objection);
            true
        }
        // Too much at once, not now, or gone.
        Ok(_) | Err(_) => false,
    }
}
