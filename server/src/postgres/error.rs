//! What can go wrong with PostgreSQL, in words for an operator; no password is in any of them.

use std::path::PathBuf;

use postgres::error::DbError;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The URL has no form that is known. It may hold a password, so it is not shown.
    #[error(
        "could not read the address of postgresql: write it as \
         postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with ?sslmode=require where TLS is needed"
    )]
    Address,
    /// No TLS as it is asked for.
    #[error("could not set up TLS to postgresql: {0}")]
    Tls(String),
    /// The authorities' file.
    #[cfg_attr(
        not(feature = "postgres-tls"),
        expect(dead_code, reason = "nobody reads it")
    )]
    #[error(
        "could not read the certificates of --postgres-ca in '{}': {error}; it must be a file in \
         PEM form",
        path.display()
    )]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// No connection.
    #[error("could not reach postgresql at {to}: {}", said(.error))]
    Connect {
        /// Where.
        to: String,
        /// Why not.
        error: postgres::Error,
    },
    /// A statement failed, or the connection was lost.
    #[error("postgresql could not {doing}: {}", said(.error))]
    Query {
        /// What was wanted.
        doing: &'static str,
        /// Why not.
        error: postgres::Error,
    },
    /// The schema could not be brought up to date.
    #[error(
        "could not bring the tables in postgresql up to date: {0}. The user needs CREATE on the \
         schema for that; let its owner run `tallyflow migrate` where it shall not have it"
    )]
    Migrate(String),
    /// The schema is of a later version of the program.
    #[error(
        "the tables in postgresql are of a newer tallyflow (schema {found}, this one knows \
         {known}): use that one, or a database of its own"
    )]
    Newer {
        /// The schema's version.
        found: i32,
        /// The newest that is known.
        known: i32,
    },
    /// The schema is not what the program made.
    #[error(
        "the tables in postgresql were made by another tallyflow: its migration {0} is not this \
         one's; use a database of its own"
    )]
    Other(String),
}

impl PostgresError {
    /// For `map_err`: what was being done.
    pub fn doing(doing: &'static str) -> impl Fn(postgres::Error) -> PostgresError {
        move |error| PostgresError::Query { doing, error }
    }
}

/// What the server said, or what happened to the connection; the crate's own text is but its kind.
fn said(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let class = &error.code().code()[..2];
            if matches!(class, DATA | CONSTRAINT) {
                return without_values(error);
            }
            let hint = error
                .detail()
                .or(error.hint())
                .map(|hint| format!(" ({hint})"));
            format!("{}{}", error.message(), hint.unwrap_or_default())
        }
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(error) = source {
                text = format!("{text}: {error}");
                source = error.source();
            }
            text
        }
    }
}

/// The class of errors about values: their messages quote them.
const DATA: &str = "22";

/// The class of errors about constraints: their details quote rows.
const CONSTRAINT: &str = "23";

/// An error about values or rows without what is in them, since they may be a voter's.
fn without_values(error: &DbError) -> String {
    let code = error.code().code();
    let mut text = match code.starts_with(DATA) {
        // Such as: invalid input syntax for type date: "1.2.2013".
        true => error
            .message()
            .split([':', '"'])
            .next()
            .unwrap_or_default()
            .trim()
            .to_string(),
        // It names the relation and the constraint.
        false => error.message().to_string(),
    };
    if text.is_empty() {
        text = "a value does not fit".to_string();
    }
    let place = [("table", error.table()), ("column", error.column())];
    for (what, name) in place {
        if let Some(name) = name {
            text = format!("{text}, {what} {name}");
        }
    }
    format!("{text} (SQLSTATE {code})")
}
