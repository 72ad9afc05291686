//! Who calls, until it is known who they are: one that says nothing keeps nobody waiting.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::hello::has_come;

/// How many may be waited for at a time; of more, whoever has been silent for longest goes.
/// Another process says at once who it is.
const CALLERS_MAX: usize = 64;

/// How long one is waited for.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Callers {
    listener: TcpListener,
    waiting: VecDeque<Caller>,
}

/// One that has not said all of who it is.
struct Caller {
    socket: TcpStream,
    from: SocketAddr,
    called_at: Instant,
}

impl Callers {
    /// Listens at an address.
    pub(super) fn listen(address: &str) -> io::Result<Callers> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Callers {
            listener,
            waiting: VecDeque::new(),
        })
    }

    /// One whose hello is there to be read; none, if there is none now. Never waits.
    pub(super) fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        while let Ok((socket, from)) = self.listener.accept() {
            if socket.set_nonblocking(true).is_ok() {
                self.waiting.push_back(Caller {
                    socket,
                    from,
                    called_at: Instant::now(),
                });
            }
            if self.waiting.len() > CALLERS_MAX {
                let is_silent = |caller: &Caller| !matches!(has_come(&caller.socket), Ok(true));
                let longest = self.waiting.iter().position(is_silent).unwrap_or(0);
                self.forget(longest, "too many others call");
            }
        }
        let mut at = 0;
        while let Some(caller) = self.waiting.get(at) {
            match has_come(&caller.socket) {
                Ok(true) => {
                    let caller = self.waiting.remove(at)?;
                    return Some((caller.socket, caller.from));
                }
                Ok(false) if caller.called_at.elapsed() < SILENT_MAX => at += 1,
                Ok(false) => self.forget(at, "it did not say who it is"),
                Err(error) => self.forget(at, &error.to_string()),
            }
        }
        None
    }

    fn forget(&mut self, at: usize, error: &str) {
        if let Some(Caller { from, .. }) = self.waiting.remove(at) {
            tracing::warn!(%from, error, "something else than a tallyflow process called");
        }
    }
}
