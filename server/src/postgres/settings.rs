//! Where PostgreSQL is: a URL or single values in, connections out.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use postgres::config::Host;
use postgres::{Client, Config, NoTls};

use super::PostgresError;

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A server that acknowledges nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// The port where none is named.
const PORT: u16 = 5432;

/// Where PostgreSQL is and who asks. Shown without its password.
#[derive(Clone)]
pub struct PostgresSettings(Box<Config>);

impl PostgresSettings {
    /// From a URL or a text of `key=value` pairs.
    pub fn parse(url: &str) -> Result<PostgresSettings, PostgresError> {
        let config = Config::from_str(url).map_err(|_| PostgresError::Address)?;
        if config.get_hosts().is_empty() {
            return Err(PostgresError::Address);
        }
        Ok(PostgresSettings::new(config))
    }

    /// From single values; what is absent is as the server's own image has it.
    pub fn of(
        host: &str,
        port: Option<u16>,
        database: Option<&str>,
        user: Option<&str>,
        password: Option<&str>,
    ) -> PostgresSettings {
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
        PostgresSettings::new(config)
    }

    fn new(mut config: Config) -> PostgresSettings {
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
        PostgresSettings(Box::new(config))
    }

    /// A connection of one's own.
    pub fn connect(&self) -> Result<Client, PostgresError> {
        self.0
            .connect(NoTls)
            .map_err(|error| PostgresError::Connect {
                to: self.to_string(),
                error,
            })
    }
}

impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, host) in self.0.get_hosts().iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            let ports = self.0.get_ports();
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.0.get_dbname().unwrap_or_default())
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
        let settings = PostgresSettings::parse(typed).expect("it is a URL");
        assert_eq!(settings.to_string(), "db.example.org:6000/votes");
        assert!(!format!("{settings:?}").contains("s3cret"));
        for wrong in ["postgresql://ana:s3cret@:x/votes", "s3cret", "", "host="] {
            let error = PostgresSettings::parse(wrong).expect_err("it is none");
            assert!(!format!("{error:?} {error}").contains("s3cret"), "{wrong}");
        }
    }

    #[test]
    fn what_is_absent_is_as_the_image_has_it() {
        let settings = PostgresSettings::of("db", None, None, None, None);
        assert_eq!(settings.to_string(), "db:5432/postgres");
        let settings = PostgresSettings::of("db", Some(1), None, Some("ana"), Some("s3cret"));
        assert_eq!(settings.to_string(), "db:1/ana");
    }
}
