//! A record as a row of the table, and rows on their way there.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dataflow::time::log_time_ms;
use dataflow::wire::{Choices, Event, Format};
use postgres::Transaction;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::Type;

use crate::source::Record;

/// The columns, in the order of [`copy`].
const COPY: &str = "COPY votes (topic, partition, \"offset\", type, vote_id, contest_id, voter_id,
    candidate_id, choices, \"timestamp\", location) FROM STDIN BINARY";

const TYPES: [Type; 11] = [
    Type::TEXT,
    Type::INT4,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT_ARRAY,
    Type::TIMESTAMPTZ,
    Type::TEXT,
];

/// A valid event.
pub struct Row {
    partition: i32,
    offset: i64,
    kind: &'static str,
    vote_id: String,
    contest_id: Option<String>,
    voter_id: String,
    choices: Option<Vec<String>>,
    timestamp: Option<SystemTime>,
    location: Option<String>,
}

impl Row {
    /// The row of a record, if it is a valid event.
    pub fn of(
        format: &Format,
        partition: u32,
        record: &Record<'_>,
        default_contest: Option<&str>,
    ) -> Option<Row> {
        // As the counting takes it.
        let log_time_ms = log_time_ms(record.log_time_ms);
        let event = format
            .decode(record.bytes.unwrap_or_default(), log_time_ms)
            .ok()?;
        let contest = |id: &Option<Cow<'_, str>>| {
            let id = id.as_deref().or(default_contest);
            id.map(str::to_string)
        };
        let row = Row {
            partition: partition as i32,
            offset: record.offset,
            kind: "void",
            vote_id: String::new(),
            contest_id: None,
            voter_id: event.voter_id().to_string(),
            choices: None,
            timestamp: None,
            location: None,
        };
        Some(match event {
            Event::Void(void) => Row {
                vote_id: void.vote_id.into_owned(),
                contest_id: contest(&void.contest_id),
                ..row
            },
            Event::Cast(cast) => Row {
                kind: "cast",
                contest_id: contest(&cast.contest_id),
                choices: Some(match cast.choices {
                    Choices::Blank => Vec::new(),
                    Choices::One(one) => vec![one.into_owned()],
                    Choices::Many(many) => many.into_iter().map(Cow::into_owned).collect(),
                }),
                timestamp: cast.timestamp_ms.or(log_time_ms).map(instant),
                location: cast.location.map(Cow::into_owned),
                vote_id: cast.vote_id.into_owned(),
                ..row
            },
        })
    }
}

/// Copies rows into the table.
pub fn copy(
    transaction: &mut Transaction<'_>,
    topic: &str,
    rows: &[Row],
) -> Result<(), postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = BinaryCopyInWriter::new(transaction.copy_in(COPY)?, &TYPES);
    for row in rows {
        let first = row.choices.as_ref().and_then(|choices| choices.first());
        table.write(&[
            &topic,
            &row.partition,
            &row.offset,
            &row.kind,
            &row.vote_id,
            &row.contest_id,
            &row.voter_id,
            &first,
            &row.choices,
            &row.timestamp,
            &row.location,
        ])?;
    }
    table.finish()?;
    Ok(())
}

fn instant(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_without_any_time_is_no_row_as_it_is_not_counted() {
        let record = |log_time_ms| Record {
            offset: 0,
            log_time_ms,
            key: None,
            bytes: Some(br#"{"voter_id":"ada","candidate_id":"a"}"#),
        };
        let row = |log_time_ms| Row::of(&Format::default(), 0, &record(log_time_ms), None);
        for none in [None, Some(0), Some(-1), Some(i64::MAX)] {
            assert!(row(none).is_none(), "{none:?}");
        }
        assert!(row(Some(1)).is_some());
    }
}
