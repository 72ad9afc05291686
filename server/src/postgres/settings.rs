//! Where PostgreSQL is: a URL or single values in, connections out.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config};

use super::PostgresError;
use super::tls::{Tls, tls};

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A server that acknowledges nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// The port where none is named.
const PORT: u16 = 5432;

/// Where PostgreSQL is and who asks. Shown without its password.
#[derive(Clone)]
pub struct PostgresSettings {
    config: Box<Config>,
    tls: Tls,
}

impl PostgresSettings {
    /// From a URL or a text of `key=value` pairs; authorities that the server's certificate must
    /// come from make TLS required.
    pub fn parse(url: &str, authorities: Option<&Path>) -> Result<PostgresSettings, PostgresError> {
        let config = Config::from_str(url).map_err(|_| PostgresError::Address)?;
        if config.get_hosts().is_empty() {
            return Err(PostgresError::Address);
        }
        PostgresSettings::new(config, authorities)
    }

    /// From single values; what is absent is as the server's own image has it.
    pub fn of(
        host: &str,
        port: Option<u16>,
        database: Option<&str>,
        user: Option<&str>,
        password: Option<&str>,
        authorities: Option<&Path>,
    ) -> Result<PostgresSettings, PostgresError> {
        let user = user.unwrap_or("postgres");
        let mut config = Config::new();
        config
            .host(host)
            .port(port.unwrap_or(PORT))
            .user(user)
            .dbname(database.unwrap_or(user));
        if let Some(password) = password {
            config.password(password);
        }
        PostgresSettings::new(config, authorities)
    }

    /// Whether a password was given.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The same with a password.
    pub fn with_password(mut self, password: &str) -> PostgresSettings {
        self.config.password(password);
        self
    }

    fn new(
        mut config: Config,
        authorities: Option<&Path>,
    ) -> Result<PostgresSettings, PostgresError> {
        if authorities.is_some() {
            config.ssl_mode(SslMode::Require);
        }
        let tls = tls(config.get_ssl_mode(), authorities)?;
        if config.get_application_name().is_none() {
            config.application_name("tallyflow");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_MAX);
        }
        config
            .keepalives(true)
            .keepalives_idle(SILENT_MAX)
            .tcp_user_timeout(SILENT_MAX);
        let config = Box::new(config);
        Ok(PostgresSettings { config, tls })
    }

    /// Where it is and who asks, for the operator.
    pub fn with_user(&self) -> String {
        match self.config.get_user() {
            Some(user) => format!("{self} as {user}"),
            None => self.to_string(),
        }
    }

    /// A connection of one's own.
    pub fn connect(&self) -> Result<Client, PostgresError> {
        self.config
            .connect(self.tls.clone())
            .map_err(|error| PostgresError::Connect {
                to: self.to_string(),
                error,
            })
    }
}

impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            let ports = self.config.get_ports();
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let typed = "postgresql://ana:s3cret@db.example.org:6000/votes";
        let settings = PostgresSettings::parse(typed, None).expect("it is a URL");
        assert_eq!(settings.to_string(), "db.example.org:6000/votes");
        assert_eq!(settings.with_user(), "db.example.org:6000/votes as ana");
        assert!(!format!("{settings:?}").contains("s3cret"));
        for wrong in ["postgresql://ana:s3cret@:x/votes", "s3cret", "", "host="] {
            let error = PostgresSettings::parse(wrong, None).expect_err("it is none");
            assert!(!format!("{error:?} {error}").contains("s3cret"), "{wrong}");
        }
    }

    #[test]
    fn what_is_absent_is_as_the_image_has_it() {
        let settings = PostgresSettings::of("db", None, None, None, None, None);
        let settings = settings.expect("it is one");
        assert_eq!(settings.to_string(), "db:5432/postgres");
        let settings = PostgresSettings::of("db", Some(1), None, Some("ana"), Some("s3cret"), None);
        let settings = settings.expect("it is one");
        assert_eq!(settings.to_string(), "db:1/ana");
    }
}
