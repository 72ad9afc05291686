//! What stands in the place of TLS in a build without it.

use std::path::Path;

use postgres::NoTls;
use postgres::config::SslMode;

use super::PostgresError;

/// What makes the connections.
pub type Tls = NoTls;

/// None; an error where it is required.
pub fn tls(mode: SslMode, _authorities: Option<&Path>) -> Result<Tls, PostgresError> {
    match mode {
        SslMode::Require => Err(PostgresError::Tls(
            "this build has none; build with the feature postgres-tls".to_string(),
        )),
        _ => Ok(NoTls),
    }
}
