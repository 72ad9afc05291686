//! A register as TOML: rows out of tables, and every error of the text.

use std::borrow::Cow;

use dataflow::register::List;
use toml::de::{DeTable, DeValue};

use super::{list, place};
use crate::register::reading::Reading;
use crate::register::row::{Cell, Row};

/// Gives the rows of a text.
pub(super) fn read(text: &str, reading: &mut Reading) {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reading.wrong("toml", || {
            let at = error.span().map_or(0, |span| span.start);
            let (line, column) = place(text.as_bytes(), at);
            format!("line {line}, column {column}: {}", error.message())
        });
    }
    if !errors.is_empty() {
        // What is left of a text that is torn says nothing.
        return;
    }
    for (name, value) in document.into_inner() {
        let name = name.into_inner();
        let Some(list) = list(&name) else {
            reading.unknown(&name);
            continue;
        };
        match value.into_inner() {
            DeValue::Array(rows) => {
                for row in rows {
                    if reading.is_full(list) {
                        break;
                    }
                    give(list, row.into_inner(), reading);
                }
            }
            _ => reading.wrong(list.name(), || {
                format!("'{name}' is not a list: begin each of its rows with [[{name}]]")
            }),
        }
    }
}

fn give(list: List, value: DeValue<'_>, reading: &mut Reading) {
    match value {
        DeValue::Table(table) => {
            let mut row = Row::new(list);
            for (name, value) in table {
                row.put(name.into_inner(), cell(value.into_inner()));
            }
            reading.row(list, row);
        }
        other => reading.no_row(list, words(&other)),
    }
}

/// TOML has dates and times of its own; a register takes them as their text.
fn cell(value: DeValue<'_>) -> Cell<'_> {
    match value {
        DeValue::String(text) => Cell::Text(text),
        DeValue::Boolean(flag) => Cell::Flag(flag),
        DeValue::Datetime(instant) => Cell::Text(instant.to_string().into()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Cell::Integer(number),
            Err(_) => Cell::Other(Cow::Borrowed("a number of more than 64 bits")),
        },
        other => Cell::Other(Cow::Borrowed(words(&other))),
    }
}

fn words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "an instant",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
