//! The forms of a register file: TOML and JSON text in, rows out.
//!
//! Errors of the text itself name line and column and never quote it: the line may be a person's.

use std::path::Path;

use dataflow::register::List;

use super::reading::{Read, Reading, Wrong};

mod json;
mod toml;

/// What some editors write first.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads the bytes of a register file; its name tells the form.
pub(super) fn parse(path: &Path, bytes: &[u8], reading: Reading) -> Result<Read, Wrong> {
    let mut reading = reading;
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("toml") => toml::read(text, &mut reading),
                Some("json") => json::read(text, &mut reading),
                _ => reading.wrong("name", || "its name must end in .toml or .json".to_string()),
            }
        }
        Err(error) => reading.wrong("utf-8", || {
            let (line, column) = place(bytes, error.valid_up_to());
            format!("it is no text in UTF-8 from line {line}, column {column} on; save it as UTF-8")
        }),
    }
    reading.finish(&path.display().to_string())
}

/// The list of a name.
fn list(name: &str) -> Option<List> {
    List::ALL.into_iter().find(|list| list.name() == name)
}

/// Line and column of a byte, from 1.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n');
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    (
        lines + 1,
        before.len() - line_start.map_or(0, |at| at + 1) + 1,
    )
}

#[cfg(test)]
mod tests;
