//! What the HTTP server is told: addresses, who may read across origins, limits.
//!
//! A value that the command line fills in once. Everything that a stranger can make grow has
//! its limit here.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use super::HttpError;

/// The sockets that wait to be accepted; the kernel caps it at `somaxconn`.
const BACKLOG: u32 = 4096;

/// The most that the kernel keeps for a connection that does not drain: enough for tens of
/// frames over a long line, and few enough that thousands of slow ones do not take the machine.
const SEND_BUFFER_BYTES: u32 = 256 << 10;

/// The settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which origins' pages may read.
    pub cors: Origins,
    /// Which origins' pages may show ours in a frame.
    pub frames: Origins,
    /// The log's topic, as `offsets` name it.
    pub topic: String,
    /// What strangers cannot exceed.
    pub limits: Limits,
}

/// Some origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Only our own.
    #[default]
    None,
    /// These, as `https://results.example.org`.
    Listed(Vec<String>),
    /// All.
    Any,
}

/// What strangers cannot exceed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; further ones are answered 503. Lowered to what the machine allows.
    pub connections_max: usize,
    /// Open streams; further ones are answered 503. Fewer than connections, so that votes and
    /// questions still get in.
    pub streams_max: usize,
    /// Bytes of one body; more is answered 413.
    pub body_bytes_max: usize,
    /// Bytes of all bodies in memory at once, and four times those of one address; more is
    /// answered 503.
    pub bodies_bytes_max: usize,
    /// Requests whose bodies are here and that write at once; more are answered 503.
    pub writes_max: usize,
    /// How long a request's head may take, and a connection may be idle.
    pub header_timeout: Duration,
    /// How long a body may take; one that comes very slowly gets less.
    pub body_timeout: Duration,
    /// How long a connection may take nothing of what it asked for, before it is dropped.
    pub stall_timeout: Duration,
    /// How long the end waits for requests that are being answered.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 16_384,
            streams_max: 15_360,
            body_bytes_max: 8 << 20,
            bodies_bytes_max: 128 << 20,
            writes_max: 128,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(3),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            cors: Origins::None,
            frames: Origins::None,
            topic: "votes".to_string(),
            limits: Limits::default(),
        }
    }
}

impl Origins {
    /// Reads a list separated by commas, or `*`.
    pub fn parse(text: &str) -> Result<Origins, HttpError> {
        let origins: Vec<String> = text
            .split(',')
            .map(|origin| origin.trim().trim_end_matches('/').to_ascii_lowercase())
            .filter(|origin| !origin.is_empty())
            .collect();
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Origins::Any);
        }
        for origin in &origins {
            let host = origin
                .strip_prefix("https://")
                .or(origin.strip_prefix("http://"));
            // They go into headers, where other characters would mean something.
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            if !host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain)) {
                return Err(HttpError::Origin {
                    origin: origin.clone(),
                });
            }
        }
        Ok(if origins.is_empty() {
            Origins::None
        } else {
            Origins::Listed(origins)
        })
    }
}

impl Settings {
    /// Whether only programs of this machine can connect, a proxy and a browser among them.
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Binds the address.
    pub fn bind(&self) -> Result<TcpListener, HttpError> {
        let bind = || {
            let socket = match self.listen {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            socket.set_reuseaddr(true)?;
            // Accepted sockets inherit it.
            socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
            socket.bind(self.listen)?;
            socket.listen(BACKLOG)
        };
        bind().map_err(|source| HttpError::Bind {
            listen: self.listen,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_loopback_however_it_is_written() {
        let is_loopback = |listen: &str| {
            let listen = listen.parse().expect("an address");
            Settings {
                listen,
                ..Settings::default()
            }
            .is_loopback()
        };
        for listen in [
            "127.0.0.1:8080",
            "127.9.9.9:8080",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(is_loopback(listen), "{listen}");
        }
        for listen in ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:8080"] {
            assert!(!is_loopback(listen), "{listen}");
        }
    }

    #[test]
    fn origins_are_a_list_or_all() {
        assert_eq!(Origins::parse("").expect("none"), Origins::None);
        assert_eq!(Origins::parse("*").expect("all"), Origins::Any);
        let two = vec![
            "https://a.example".to_string(),
            "http://b.example:81".to_string(),
        ];
        assert_eq!(
            Origins::parse("https://A.example/, http://b.example:81").expect("two"),
            Origins::Listed(two)
        );
        assert!(Origins::parse("a.example").is_err());
        assert!(Origins::parse("https://a.example/page").is_err());
    }
}
