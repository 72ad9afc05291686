//! What the tests share: a server, a client, a stream, votes, and the laws.

use std::time::{Duration, Instant};

pub use client::{Answer, Client, TOKEN, read};
pub use process::{Home, Server, is_ours};
pub use stream::{Event, Stream};

mod client;
pub mod laws;
mod process;
mod stream;
pub mod votes;

/// How long a condition may take to hold; far above what it takes, for a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long a condition that does not hold is left alone before it is asked again.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(PAUSE);
    }
}

/// A figure of `/metrics`.
pub fn metric(client: Client, name: &str) -> u64 {
    let text = String::from_utf8(client.get("/metrics").body).expect("text");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{name} in {text}"))
}
