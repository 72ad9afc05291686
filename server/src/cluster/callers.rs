//! Who calls, until it is known that they know the secret: one that says nothing keeps nobody
//! waiting, and a stranger hears nothing but a nonce.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::hello::{has_come, receive, send};
use super::secret::{ClusterSecret, Nonces, Opening, Proof, Role};

/// How many may be waited for at a time; of more, whoever has been silent for longest goes.
/// Another process says at once who it is.
const CALLERS_MAX: usize = 64;

/// How long one is waited for, from its call to its proof.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// How often the log hears of callers that are none of the processes.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Callers<'a> {
    listener: TcpListener,
    secret: &'a ClusterSecret,
    /// The number of this process.
    process: usize,
    waiting: VecDeque<Caller>,
    said_at: Option<Instant>,
    unsaid: u64,
}

/// One that has not proven yet that it is one of the processes.
struct Caller {
    socket: TcpStream,
    from: SocketAddr,
    called_at: Instant,
    /// Once it has said its own, and was told ours.
    nonces: Option<Nonces>,
}

/// One that knows the secret.
pub(super) struct Proven {
    pub(super) socket: TcpStream,
    pub(super) from: SocketAddr,
    /// Its number, as it says.
    pub(super) process: usize,
    pub(super) nonces: Nonces,
}

impl<'a> Callers<'a> {
    /// Listens at an address.
    pub(super) fn listen(
        address: &str,
        secret: &'a ClusterSecret,
        process: usize,
    ) -> io::Result<Callers<'a>> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Callers {
            listener,
            secret,
            process,
            waiting: VecDeque::new(),
            said_at: None,
            unsaid: 0,
        })
    }

    /// Whether somebody is in the middle of proving.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// One that has proven that it knows the secret; none, if there is none now. Never waits.
    pub(super) fn next(&mut self) -> Option<Proven> {
        while let Ok((socket, from)) = self.listener.accept() {
            if socket.set_nonblocking(true).is_ok() {
                self.waiting.push_back(Caller {
                    socket,
                    from,
                    called_at: Instant::now(),
                    nonces: None,
                });
            }
            if self.waiting.len() > CALLERS_MAX {
                let is_silent = |caller: &Caller| !matches!(has_come(&caller.socket), Ok(true));
                let longest = self.waiting.iter().position(is_silent).unwrap_or(0);
                self.forget(longest, "too many others call");
            }
        }
        let mut at = 0;
        while let Some(caller) = self.waiting.get_mut(at) {
            match caller.advance(self.secret, self.process) {
                Ok(Some((process, nonces))) => {
                    let Caller { socket, from, .. } = self.waiting.remove(at)?;
                    return Some(Proven {
                        socket,
                        from,
                        process,
                        nonces,
                    });
                }
                Ok(None) if caller.called_at.elapsed() < SILENT_MAX => at += 1,
                Ok(None) => self.forget(at, "it did not say who it is"),
                Err(error) => self.forget(at, &error.to_string()),
            }
        }
        None
    }

    fn forget(&mut self, at: usize, error: &str) {
        let Some(Caller { from, .. }) = self.waiting.remove(at) else {
            return;
        };
        if self.said_at.is_some_and(|at| at.elapsed() < SAY_EVERY) {
            self.unsaid += 1;
            return;
        }
        self.said_at = Some(Instant::now());
        let more = std::mem::take(&mut self.unsaid);
        tracing::warn!(%from, error, more, "something else than a process of this count called");
    }
}

impl Caller {
    /// Hears and says what there is to be heard and said now; its number once it has proven that
    /// it knows the secret.
    fn advance(
        &mut self,
        secret: &ClusterSecret,
        process: usize,
    ) -> io::Result<Option<(usize, Nonces)>> {
        while has_come(&self.socket)? {
            let Some(nonces) = self.nonces else {
                let theirs: Opening = receive(&mut self.socket)?;
                let (called, ours) = Opening::fresh()?;
                self.nonces = Some(Nonces {
                    caller: theirs.nonce()?,
                    called,
                });
                send(&mut self.socket, &ours)?;
                continue;
            };
            let proof: Proof = receive(&mut self.socket)?;
            if proof.to != process || !secret.holds(&proof, Role::Caller, &nonces) {
                let what = "it does not know the secret: give the same --cluster-secret to all";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
            }
            return Ok(Some((proof.from, nonces)));
        }
        Ok(None)
    }
}
