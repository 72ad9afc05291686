//! PostgreSQL: how it is reached, and the schema that it must have.
//!
//! Clients are synchronous and live on the thread that uses them; the counting has none.

mod error;
mod migrate;
mod settings;
#[cfg_attr(not(feature = "postgres-tls"), path = "plain.rs")]
mod tls;

pub use error::PostgresError;
pub use migrate::migrate;
pub use settings::PostgresSettings;
