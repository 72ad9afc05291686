//! What the HTTP server is told: addresses, who may read across origins, limits.
//!
//! A value that the command line fills in once. Everything that a stranger can make grow has
//! its limit here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dataflow::wire::Format;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket};

use super::HttpError;

/// The sockets that wait to be accepted; the kernel caps it at `somaxconn`.
const BACKLOG: u32 = 4096;

/// The most that the kernel keeps for a connection: what is under way over a long line.
const SEND_BUFFER_BYTES: u32 = 256 << 10;

/// The most of it that is not under way yet, which is all that it keeps for one that does not read:
/// with 16,384 of them 256 MiB.
const UNSENT_BYTES: u32 = 16 << 10;

/// Open connections of one address where nothing else is said: a large school, and a sixteenth of
/// all, so that it takes sixteen addresses to take all.
pub const CONNECTIONS_PER_ADDRESS: usize = 1024;

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
    /// After how long results that stand still are no service any more.
    pub stale_after: Duration,
    /// Where the operator's own files are.
    pub files: Option<PathBuf>,
    /// How messages are read.
    pub format: Arc<Format>,
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
    /// Open connections of one address, or of one /64 of IPv6; further ones are answered 429. By
    /// default [`CONNECTIONS_PER_ADDRESS`], and none for loopback, from where a proxy that was not
    /// named brings everybody.
    pub connections_per_address: Option<usize>,
    /// Proxies that are believed whose requests they bring, and that may have any number of
    /// connections; each client then has so many requests at once.
    pub trusted_proxies: Vec<IpNet>,
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
    /// The same while most connections are taken.
    pub crowded_header_timeout: Duration,
    /// How long a body may take; one that comes very slowly gets less.
    pub body_timeout: Duration,
    /// How long a connection may take nothing of what it asked for, before it is dropped.
    pub stall_timeout: Duration,
    /// How long a connection may take for a whole answer, one that is no stream; less while many
    /// do so.
    pub answer_timeout: Duration,
    /// How long the end waits for requests that are being answered.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 16_384,
            connections_per_address: None,
            trusted_proxies: Vec::new(),
            streams_max: 15_360,
            body_bytes_max: 8 << 20,
            bodies_bytes_max: 128 << 20,
            writes_max: 128,
            header_timeout: Duration::from_secs(30),
            crowded_header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(120),
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
            stale_after: Duration::from_secs(30),
            files: None,
            format: Arc::default(),
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

/// Reads networks such as `10.0.0.0/8`; a single address is a network of its own.
pub fn networks(texts: &[String]) -> Result<Vec<IpNet>, HttpError> {
    let parse = |text: &String| {
        let address = || {
            Some(IpNet::from(
                text.trim().parse::<IpAddr>().ok()?.to_canonical(),
            ))
        };
        let network = text.trim().parse().ok().or_else(address);
        network.ok_or_else(|| HttpError::Network {
            network: text.clone(),
        })
    };
    texts.iter().map(parse).collect()
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
            // Accepted sockets inherit both.
            socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
            #[cfg(target_os = "linux")]
            socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
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
    fn networks_have_a_length_or_are_addresses() {
        let read = |text: &str| {
            let network = networks(&[text.to_string()]).ok()?;
            Some(network[0].to_string())
        };
        assert_eq!(read("10.0.0.0/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(read("127.0.0.1").as_deref(), Some("127.0.0.1/32"));
        assert_eq!(read(" 2001:db8::/32").as_deref(), Some("2001:db8::/32"));
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0/8"] {
            assert_eq!(read(text), None, "{text}");
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
