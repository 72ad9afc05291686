//! Writes one round: a transaction that brings the tables from one tick to another.

use dataflow::view::Snapshot;
use postgres::{Client, Transaction};

use super::ledger::Round;
use super::rows::{Key, Row, Table};

/// Writes a round; says how many rows were written or removed.
pub fn write(
    client: &mut Client,
    snapshot: &Snapshot,
    round: &Round,
) -> Result<u64, postgres::Error> {
    let tick = i64::try_from(snapshot.tick()).unwrap_or(i64::MAX);
    let mut transaction = client.transaction()?;
    let mut rows = 0;
    for table in Table::ALL {
        rows += remove(&mut transaction, table, &round.gone)?;
        let written = round.rows.iter().filter(|row| row.table == table);
        rows += upsert(&mut transaction, table, written, tick)?;
        if round.is_whole {
            // All that stand have been written just now.
            let sweep = format!("DELETE FROM {} WHERE tick <> $1", table.name());
            rows += transaction.execute(&sweep, &[&tick])?;
        }
    }
    let offsets = serde_json::to_string(&snapshot.named_offsets()).expect("it is plain data");
    transaction.execute(
        "INSERT INTO published (tick, offsets, register_version)
         VALUES ($1, $2::text::jsonb, $3)
         ON CONFLICT ((true)) DO UPDATE SET (tick, offsets, register_version)
             = (excluded.tick, excluded.offsets, excluded.register_version)",
        &[&tick, &offsets, &snapshot.register_version()],
    )?;
    transaction.commit()?;
    Ok(rows)
}

fn upsert<'a>(
    transaction: &mut Transaction<'_>,
    table: Table,
    rows: impl Iterator<Item = &'a Row>,
    tick: i64,
) -> Result<u64, postgres::Error> {
    let rows = list(rows.map(|row| row.json.as_str()));
    if rows == EMPTY {
        return Ok(0);
    }
    let key = quoted(&[table.key()]);
    let columns = quoted(table.columns());
    let excluded: Vec<String> = table
        .columns()
        .iter()
        .map(|column| format!("excluded.\"{column}\""))
        .collect();
    let statement = format!(
        "INSERT INTO {table} (contest_id, {key}, {columns}, tick)
         SELECT contest_id, {key}, {columns}, $2
         FROM json_populate_recordset(NULL::{table}, $1::text::json)
         ON CONFLICT (contest_id, {key}) DO UPDATE SET ({columns}, tick)
             = ({excluded}, excluded.tick)",
        table = table.name(),
        excluded = excluded.join(", "),
    );
    transaction.execute(&statement, &[&rows, &tick])
}

fn remove(
    transaction: &mut Transaction<'_>,
    table: Table,
    gone: &[(Table, Key)],
) -> Result<u64, postgres::Error> {
    let keys = gone.iter().filter(|(from, _)| *from == table);
    let row = |(_, (contest, key)): &(Table, Key)| {
        serde_json::json!({"contest_id": contest, table.key(): key}).to_string()
    };
    let keys: Vec<String> = keys.map(row).collect();
    let keys = list(keys.iter().map(String::as_str));
    if keys == EMPTY {
        return Ok(0);
    }
    let statement = format!(
        "DELETE FROM {table} AS row
         USING json_populate_recordset(NULL::{table}, $1::text::json) AS gone
         WHERE row.contest_id = gone.contest_id AND row.{key} = gone.{key}",
        table = table.name(),
        key = quoted(&[table.key()]),
    );
    transaction.execute(&statement, &[&keys])
}

/// A list of nothing.
const EMPTY: &str = "[]";

/// JSON objects as one JSON list.
fn list<'a>(objects: impl Iterator<Item = &'a str>) -> String {
    let objects: Vec<&str> = objects.collect();
    format!("[{}]", objects.join(","))
}

fn quoted(columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|it| format!("\"{it}\"")).collect();
    columns.join(", ")
}
