//! One request to `POST /api/v1/votes`, again and again until the server has answered it.
//!
//! Comes in as a body; goes out as what became of its messages, or as the reason to give up.
//! Never drops a message.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Body, HttpOptions, Shared, TargetError};

const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A server syncs its disk before it answers; a slow disk takes seconds, not minutes.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// An answer is a receipt or a problem; what is longer is neither.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Of an error's text so much is shown.
const DETAIL_BYTES_MAX: usize = 2000;

/// Posts over a connection of its own.
pub(super) struct Poster {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
    patience: Duration,
    patience_at_first: Duration,
}

/// What became of a body's messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) stored: u64,
    pub(super) turned_away: u64,
    pub(super) sent_again: u64,
}

/// A server's answer, read.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    text: Vec<u8>,
}

/// Waits longer each time, until patience is over.
struct Backoff {
    started: Instant,
    next: Duration,
}

#[derive(Deserialize)]
struct Receipt {
    stored: u64,
}

impl Poster {
    pub(super) fn new(url: &str, options: &HttpOptions) -> Poster {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_MAX))
            // Votes go to the server that was named, not through what the environment names.
            .proxy(None)
            .build();
        Poster {
            agent: config.into(),
            url: url.to_string(),
            authorization: options
                .token
                .as_ref()
                .map(|token| format!("Bearer {token}")),
            patience: options.patience,
            patience_at_first: options.patience_at_first,
        }
    }

    /// Posts a body until it is answered, in halves where it is too large for the server.
    pub(super) fn post(&self, body: &Body, shared: &Shared) -> Result<Outcome, TargetError> {
        let mut outcome = Outcome::default();
        let answer = self.until_answered(body, &mut outcome, shared)?;
        if let Some(reason) = body.refused {
            outcome.turned_away = self.turned_away(&answer, reason)?;
        } else if answer.status == 413 && body.messages > 1 {
            for half in halves(body) {
                let part = self.post(&half, shared)?;
                outcome.stored += part.stored;
                outcome.sent_again += part.sent_again;
            }
        } else {
            outcome.stored = self.receipt(body, &answer)?;
        }
        Ok(outcome)
    }

    /// The answer to a malformed message: it must be turned away for what it is.
    fn turned_away(&self, answer: &Answer, reason: &'static str) -> Result<u64, TargetError> {
        match answer.status {
            400 | 413 => Ok(1),
            200..=299 => Err(TargetError::TookMalformed {
                url: self.url.clone(),
                reason,
            }),
            _ => Err(self.refused(answer)),
        }
    }

    fn receipt(&self, body: &Body, answer: &Answer) -> Result<u64, TargetError> {
        if answer.status != 202 {
            return Err(self.refused(answer));
        }
        match serde_json::from_slice::<Receipt>(&answer.text) {
            Ok(receipt) if receipt.stored == body.messages => Ok(receipt.stored),
            receipt => Err(TargetError::Receipt {
                url: self.url.clone(),
                stored: receipt.map_or("an unknown number".to_string(), |r| r.stored.to_string()),
                sent: body.messages,
            }),
        }
    }

    fn refused(&self, answer: &Answer) -> TargetError {
        let detail = match answer.status {
            401 => "it has another token: give the one in the file `token` of its data directory \
                    with --token-file, or as TALLYFLOW_TOKEN"
                .to_string(),
            404 | 405 => "there is no such route; is it a tallyflow server?".to_string(),
            _ => answer.detail(),
        };
        TargetError::Refused {
            url: self.url.clone(),
            status: answer.status,
            detail,
        }
    }

    /// Sends the same until the answer is neither "later" nor none.
    fn until_answered(
        &self,
        body: &Body,
        outcome: &mut Outcome,
        shared: &Shared,
    ) -> Result<Answer, TargetError> {
        let mut backoff = Backoff::new();
        loop {
            let attempt = self.once(body);
            if attempt.is_ok() {
                shared.is_reached.store(true, Ordering::Relaxed);
            }
            let (may_be_stored, asked) = match &attempt {
                Ok(answer) if answer.status == 429 => (false, answer.retry_after),
                Ok(answer) if answer.status >= 500 => (true, answer.retry_after),
                Err(error) if is_transient(error) => (!was_never_sent(error), None),
                _ => return attempt.map_err(|error| self.unreachable(error, &backoff)),
            };
            let patience = match shared.is_reached.load(Ordering::Relaxed) {
                true => self.patience,
                false => self.patience_at_first,
            };
            let has_ended = shared.has_failed.load(Ordering::Relaxed);
            if has_ended || !backoff.wait(asked, patience) {
                return Err(match attempt {
                    Ok(answer) => self.busy(&answer, &backoff),
                    Err(error) => self.unreachable(error, &backoff),
                });
            }
            if may_be_stored && body.refused.is_none() {
                outcome.sent_again += body.messages;
            }
        }
    }

    fn once(&self, body: &Body) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(&self.url);
        let mut request = request.header("content-type", "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.send(&body.bytes[..])?;
        let retry_after = response.headers().get("retry-after");
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let content = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        Ok(Answer {
            status,
            retry_after: seconds.map(Duration::from_secs),
            text: content.read_to_vec()?,
        })
    }

    fn unreachable(&self, error: ureq::Error, backoff: &Backoff) -> TargetError {
        TargetError::Unreachable {
            url: self.url.clone(),
            seconds: backoff.started.elapsed().as_secs(),
            source: Box::new(error),
        }
    }

    fn busy(&self, answer: &Answer, backoff: &Backoff) -> TargetError {
        TargetError::Busy {
            url: self.url.clone(),
            status: answer.status,
            seconds: backoff.started.elapsed().as_secs(),
            detail: answer.detail(),
        }
    }
}

impl Answer {
    fn detail(&self) -> String {
        let shown = &self.text[..self.text.len().min(DETAIL_BYTES_MAX)];
        String::from_utf8_lossy(shown).into_owned()
    }
}

impl Backoff {
    fn new() -> Backoff {
        Backoff {
            started: Instant::now(),
            next: BACKOFF_MIN,
        }
    }

    /// Waits as long as asked for, else longer than the last time. False: patience is over.
    fn wait(&mut self, asked: Option<Duration>, patience: Duration) -> bool {
        let pause = asked.unwrap_or(self.next).min(BACKOFF_MAX);
        if self.started.elapsed() + pause > patience {
            return false;
        }
        std::thread::sleep(pause);
        self.next = (self.next * 2).min(BACKOFF_MAX);
        true
    }
}

/// Whether the same request may go through later.
fn is_transient(error: &ureq::Error) -> bool {
    use ureq::Error;
    !matches!(
        error,
        Error::BadUri(_) | Error::Http(_) | Error::TooManyRedirects
    )
}

/// Whether the server cannot have seen anything of it.
fn was_never_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}

/// The lines of a body in two bodies, each of at least one line.
fn halves(body: &Body) -> [Body; 2] {
    let first = body.messages / 2;
    let ends = body
        .bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    let cut = ends
        .map(|(at, _)| at + 1)
        .nth(first.saturating_sub(1) as usize);
    let (one, other) = body.bytes.split_at(cut.unwrap_or(0));
    [(one, first), (other, body.messages - first)].map(|(bytes, messages)| Body {
        bytes: bytes.to_vec(),
        messages,
        refused: None,
    })
}
