//! The body of a POST as messages: bytes come in, keyed slices of them go out, or the first
//! line that is no valid event.
//!
//! Messages share the body's memory; nothing is copied but the rare voter id with an escape.

use bytes::Bytes;
use dataflow::accept::{Foreseen, foresee};
use dataflow::directory::Directory;
use dataflow::wire::{Event, Format};

use crate::source::Message;

/// Why a body holds no messages.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line, from 1; absent where the body as a whole is wrong.
    pub line: Option<usize>,
    /// The reason for a refused message.
    pub reason: Option<&'static str>,
    /// What is wrong.
    pub detail: String,
}

/// What reading a body depends on besides its bytes.
pub struct Reading<'a> {
    /// How messages are read.
    pub format: &'a Format,
    /// The register in force; nothing before the first is.
    pub directory: Option<&'a Directory>,
    /// The time that the log would give the messages.
    pub now_ms: i64,
}

/// The events of a body.
#[derive(Debug, Default)]
pub struct Events {
    /// Each as a message.
    pub messages: Vec<Message>,
    /// What the register says of each; of voids nothing.
    pub foreseen: Vec<Foreseen>,
}

/// A body that is one event, however it is spread over lines.
pub fn one(reading: &Reading<'_>, body: &Bytes) -> Result<Events, Refused> {
    let event = trim(unmarked(body));
    if event.is_empty() {
        return Err(no_event());
    }
    let mut events = Events::default();
    reading.read(body, event, 1, &mut events)?;
    Ok(events)
}

/// A body of events, one a line; blank lines are skipped.
pub fn many(reading: &Reading<'_>, body: &Bytes) -> Result<Events, Refused> {
    // About the size of a vote; a guess too small costs a few doublings.
    let guess = body.len() / 160 + 1;
    let mut events = Events {
        messages: Vec::with_capacity(guess),
        foreseen: Vec::with_capacity(guess),
    };
    for (line, text) in (1..).zip(unmarked(body).split(|byte| *byte == b'\n')) {
        let event = trim(text);
        if !event.is_empty() {
            reading.read(body, event, line, &mut events)?;
        }
    }
    if events.messages.is_empty() {
        return Err(no_event());
    }
    Ok(events)
}

impl Reading<'_> {
    /// Adds the event of a line.
    fn read(
        &self,
        body: &Bytes,
        event: &[u8],
        line: usize,
        events: &mut Events,
    ) -> Result<(), Refused> {
        let decoded = self.format.decode(event, Some(self.now_ms));
        let decoded = decoded.map_err(|refusal| Refused {
            line: Some(line),
            reason: Some(refusal.reason.as_str()),
            detail: format!("line {line}: {}", refusal.detail),
        })?;
        let voter = decoded.voter_id().as_bytes();
        let within = body.as_ptr_range().contains(&voter.as_ptr());
        let key = if within {
            body.slice_ref(voter)
        } else {
            Bytes::copy_from_slice(voter)
        };
        events.foreseen.push(self.foresee(&decoded));
        events.messages.push(Message {
            key,
            bytes: body.slice_ref(event),
        });
        Ok(())
    }

    fn foresee(&self, event: &Event<'_>) -> Foreseen {
        match (event, self.directory) {
            // Who is on the roll is known to the workers only.
            (Event::Cast(cast), Some(directory)) => foresee(cast, self.now_ms, |_| true, directory),
            _ => Foreseen::default(),
        }
    }
}

fn no_event() -> Refused {
    let detail = "the body holds no event: send one, or one a line".to_string();
    Refused {
        line: None,
        reason: None,
        detail,
    }
}

/// Without the byte order mark that some programs begin every text with. The messages are what
/// follows it: on the log it would be malformed.
fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Without JSON's white space at both ends, which means nothing.
fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_383_508_800_000;

    fn vote(voter: &str) -> String {
        format!(r#"{{"vote_id":"1","voter_id":"{voter}","candidate_id":"a"}}"#)
    }

    fn one(body: &Bytes) -> Result<Vec<Message>, Refused> {
        reading(|reading| super::one(reading, body))
    }

    fn many(body: &Bytes) -> Result<Vec<Message>, Refused> {
        reading(|reading| super::many(reading, body))
    }

    fn reading(
        read: impl FnOnce(&Reading<'_>) -> Result<Events, Refused>,
    ) -> Result<Vec<Message>, Refused> {
        let reading = Reading {
            format: &Format::default(),
            directory: None,
            now_ms: NOW_MS,
        };
        read(&reading).map(|events| events.messages)
    }

    fn keys(read: Result<Vec<Message>, Refused>) -> Result<Vec<String>, (Option<usize>, String)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        read.map(|messages| messages.iter().map(|message| text(&message.key)).collect())
            .map_err(|refused| (refused.line, refused.reason.unwrap_or("none").to_string()))
    }

    fn check(body: &str, expected: Result<&[&str], (Option<usize>, &str)>) {
        let expected = expected
            .map(|keys| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>())
            .map_err(|(line, reason)| (line, reason.to_string()));
        assert_eq!(
            keys(many(&Bytes::from(body.to_string()))),
            expected,
            "{body}"
        );
    }

    #[test]
    fn lines_are_events_and_blank_ones_nothing() {
        let (a, b) = (vote("a"), vote("b"));
        check(&format!("{a}\n{b}"), Ok(&["a", "b"]));
        check(&format!("{a}\r\n\r\n \n{b}\r\n\n"), Ok(&["a", "b"]));
        check(&vote(r"\u0041"), Ok(&["A"]));
        check("", Err((None, "none")));
        check("\n \r\n", Err((None, "none")));
    }

    #[test]
    fn the_first_bad_line_refuses_the_whole() {
        let good = vote("a");
        check(
            &format!("{good}\nx\n{good}"),
            Err((Some(2), "malformed_json")),
        );
        check(
            &format!("{good}\n\n{{}}\nx"),
            Err((Some(3), "missing_field")),
        );
        check(&format!("{good}{good}"), Err((Some(1), "malformed_json")));
        let long = format!("{good}\n{}", vote(&"v".repeat(70_000)));
        check(&long, Err((Some(2), "too_large")));
        let future = NOW_MS + 5 * 60 * 1000 + 1;
        let late =
            format!(r#"{{"vote_id":"1","voter_id":"a","candidate_id":"a","timestamp":{future}}}"#);
        check(&late, Err((Some(1), "future_timestamp")));
    }

    #[test]
    fn one_event_may_be_spread_over_lines() {
        let spread = vote("a").replace(',', ",\n\t");
        let read = |body: &str| keys(one(&Bytes::from(body.to_string())));
        assert_eq!(read(&format!("\n{spread}\n")), Ok(vec!["a".to_string()]));
        assert_eq!(read(" "), Err((None, "none".to_string())));
        let two = format!("{}\n{}", vote("a"), vote("b"));
        assert_eq!(read(&two), Err((Some(1), "malformed_json".to_string())));
        assert_eq!(read("[]"), Err((Some(1), "malformed_json".to_string())));
    }

    #[test]
    fn a_byte_order_mark_before_a_body_means_nothing() {
        let (a, b) = (vote("a"), vote("b"));
        let body = Bytes::from(format!("\u{feff}{a}\n{b}"));
        let messages = many(&body).expect("two events");
        assert_eq!(messages[0].bytes, a.as_bytes());
        assert_eq!(messages[1].bytes, b.as_bytes());
        let body = Bytes::from(format!("\u{feff}\r\n{a}"));
        assert_eq!(one(&body).expect("an event")[0].bytes, a.as_bytes());
        // Once, and only there.
        let malformed = (Some(1), "malformed_json");
        check(&format!("\u{feff}\u{feff}{a}"), Err(malformed));
        check(
            &format!("{a}\n\u{feff}{b}"),
            Err((Some(2), "malformed_json")),
        );
        check("\u{feff}", Err((None, "none")));
    }

    #[test]
    fn messages_are_the_lines_unchanged() {
        let body = Bytes::from(format!("  {}  \n", vote("a")));
        let messages = many(&body).expect("an event");
        assert_eq!(messages[0].bytes, vote("a").as_bytes());
    }
}
