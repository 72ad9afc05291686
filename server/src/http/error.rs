//! What can go wrong in running the HTTP server, apart from what its callers do wrong.

use std::net::SocketAddr;

/// An operating failure of the HTTP server; fatal at the start.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An origin that no browser sends.
    #[error("'{origin}' is no origin: write it as https://results.example.org, or * for all")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// A network that is none.
    #[error(
        "'{network}' is no network: write --trusted-proxy as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1"
    )]
    Network {
        /// What was given.
        network: String,
    },
    /// The address cannot be had.
    #[error("cannot listen on {listen}: is another server running there? choose another --listen")]
    Bind {
        /// Where to listen.
        listen: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The listener does not say where it listens.
    #[error("cannot ask the listener for its address")]
    Listener(#[source] std::io::Error),
}
