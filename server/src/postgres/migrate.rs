//! Brings the schema up to date: the files of `migrations/` in order, recorded in the database.
//!
//! All that is missing is applied in one transaction, so a schema is of one version or another,
//! never between. A user who may not create tables can still use a schema that is up to date.

use postgres::Client;

use super::PostgresError;

mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// Where what was applied is recorded.
const HISTORY: &str = "refinery_schema_history";

/// The advisory lock under which one service at a time looks at the schema: "tally".
const LOCK: i64 = 0x74_61_6c_6c_79;

/// Applies what is missing; refuses a schema that is newer, or another's.
pub fn migrate(client: &mut Client) -> Result<(), PostgresError> {
    let locked = PostgresError::doing("lock its tables' version");
    client
        .query("SELECT pg_advisory_lock($1)", &[&LOCK])
        .map_err(&locked)?;
    let migrated = migrate_alone(client);
    // A connection that is lost has given it back.
    let unlocked = client.query("SELECT pg_advisory_unlock($1)", &[&LOCK]);
    migrated?;
    unlocked.map_err(locked)?;
    Ok(())
}

fn migrate_alone(client: &mut Client) -> Result<(), PostgresError> {
    let runner = embedded::migrations::runner().set_grouped(true);
    let failed = |error: refinery::Error| PostgresError::Migrate(chain(&error));
    let is_there = client
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&HISTORY])
        .map_err(PostgresError::doing("show its tables"))?;
    let applied = if is_there.get(0) {
        runner.get_applied_migrations(client).map_err(failed)?
    } else {
        Vec::new()
    };
    let known = runner.get_migrations().clone();
    let newest = known.iter().map(refinery::Migration::version).max();
    let newest = newest.unwrap_or_default();
    if let Some(newer) = applied.iter().find(|it| it.version() > newest) {
        return Err(PostgresError::Newer {
            found: newer.version(),
            known: newest,
        });
    }
    if let Some(other) = applied.iter().find(|it| !known.contains(it)) {
        return Err(PostgresError::Other(other.to_string()));
    }
    if applied.len() < known.len() {
        let report = runner.run(client).map_err(failed)?;
        for migration in report.applied_migrations() {
            tracing::info!(%migration, "brought the tables in postgresql up to date");
        }
    }
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
