//! Messages as scripts write them: short forms, repeats, raw bytes.
//!
//! In comes the text of one line; out goes the message. Knows nothing of what the bytes mean.

use serde_json::{Value as Json, json};

use crate::oracle::Message;

/// Reads `@TIME` and a text.
pub fn message(at: &str, text: &str) -> Result<Message, String> {
    let log_time_ms = match at.strip_prefix('@') {
        Some("-") => None,
        Some(ms) => Some(super::number(ms)?),
        None => return Err(format!("'{at}' is no log time: write @1000 or @-")),
    };
    let bytes = match text.split_once(' ') {
        Some(("cast", rest)) => cast(rest)?,
        Some(("void", rest)) => void(rest)?,
        _ => raw(text)?,
    };
    Ok(Message { log_time_ms, bytes })
}

/// `VOTE VOTER CHOICES [at=…] [in=…] [loc=…]`.
fn cast(text: &str) -> Result<Vec<u8>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [vote, voter, choices, options @ ..] = words.as_slice() else {
        return Err("cast VOTE VOTER CHOICES".to_string());
    };
    let mut event = json!({ "vote_id": vote, "voter_id": voter });
    if *choices == "-" {
        event["choices"] = json!([]);
    } else if choices.contains(',') {
        let choices = choices.split(',').filter(|choice| !choice.is_empty());
        event["choices"] = choices.collect::<Vec<_>>().into();
    } else {
        event["candidate_id"] = json!(choices);
    }
    add_options(&mut event, options)?;
    Ok(event.to_string().into_bytes())
}

/// `VOTE VOTER [in=…]`.
fn void(text: &str) -> Result<Vec<u8>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [vote, voter, options @ ..] = words.as_slice() else {
        return Err("void VOTE VOTER".to_string());
    };
    let mut event = json!({ "type": "void", "vote_id": vote, "voter_id": voter });
    add_options(&mut event, options)?;
    Ok(event.to_string().into_bytes())
}

fn add_options(event: &mut Json, options: &[&str]) -> Result<(), String> {
    for option in options {
        let (name, value) = match option.split_once('=') {
            Some(("at", value)) => ("timestamp", value),
            Some(("in", value)) => ("contest_id", value),
            Some(("loc", value)) => ("location", value),
            _ => return Err(format!("'{option}' is none of at=, in=, loc=")),
        };
        let integer = value.parse::<i64>().ok().filter(|_| name == "timestamp");
        event[name] = integer.map_or(json!(value), |ms| json!(ms));
    }
    Ok(())
}

/// A text with its «…» replaced.
fn raw(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut padding = None;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        bytes.extend_from_slice(before.as_bytes());
        let (within, after) = after.split_once('»').ok_or("a « without its »")?;
        rest = after;
        if let Some(hex) = within.strip_prefix("x ") {
            for byte in hex.split_whitespace() {
                let byte = u8::from_str_radix(byte, 16);
                bytes.push(byte.map_err(|_| format!("'{hex}' is no hex"))?);
            }
        } else if let Some(size) = within.strip_prefix("pad ") {
            padding = Some((bytes.len(), super::number::<usize>(size)?));
        } else {
            let (text, times) = within.rsplit_once('×').ok_or("«TEXT×TIMES»")?;
            bytes.extend_from_slice(text.repeat(super::number(times)?).as_bytes());
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    if let Some((at, size)) = padding {
        let missing = size.checked_sub(bytes.len()).ok_or("no room for a pad")?;
        bytes.splice(at..at, std::iter::repeat_n(b' ', missing));
    }
    Ok(bytes)
}
