//! How the processes find each other: each listens at its address and calls those before it.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::callers::{Callers, Proven};
use super::hello::{peek, receive, send};
use super::secret::{Nonces, Opening, Proof, Role};
use super::{Cluster, ClusterError, Hello, Links};
use crate::told::Told;

/// How long a process that is not there is left alone.
const AGAIN: Duration = Duration::from_millis(100);

/// The same while somebody who calls is heard.
const AGAIN_SOON: Duration = Duration::from_millis(5);

/// How long one connection may take to be made and to say what it is.
const HELLO_MAX: Duration = Duration::from_secs(5);

/// How long one that does not take our proof is left alone.
const AGAIN_DENIED: Duration = Duration::from_secs(1);

/// How long process 0 may take to say the next thing of how it starts: reading the register, say.
const START_MAX: Duration = Duration::from_secs(60);

/// How often whoever waits says for whom.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Is told what a start waits for, and `None` when it goes on.
pub type Waiting<'a> = &'a (dyn Fn(Option<Told>) + Sync);

impl Cluster {
    /// Connects to all other processes; waits for them until `stop`.
    pub fn connect(
        &self,
        hello: &Hello,
        waiting: Waiting<'_>,
        stop: &AtomicBool,
    ) -> Result<Links, ClusterError> {
        let own = &self.addresses[self.process];
        let listen = |source| ClusterError::Listen {
            address: own.clone(),
            line: self.process + 1,
            source,
        };
        let listening = Callers::listen(own, &self.secret, self.process);
        let mut callers = listening.map_err(listen)?;
        let mut sockets: Vec<Option<TcpStream>> = self.addresses.iter().map(|_| None).collect();
        let mut said_at = Instant::now();
        loop {
            let before = sockets.iter_mut().enumerate().take(self.process);
            for (process, socket) in before.filter(|(_, socket)| socket.is_none()) {
                *socket = self.call(process, hello)?;
            }
            while let Some(caller) = callers.next() {
                if let Some((process, socket)) = self.answer(caller, hello)? {
                    sockets[process] = Some(socket);
                }
            }
            let missing: Vec<String> = (0..self.processes())
                .filter(|process| *process != self.process && sockets[*process].is_none())
                .map(|process| format!("process {process} at {}", self.addresses[process]))
                .collect();
            if missing.is_empty() {
                break;
            }
            let what = format!("waiting for {}", missing.join(" and "));
            let public = format!(
                "waiting for {} of {} processes",
                missing.len(),
                self.processes()
            );
            if said_at.elapsed() >= SAY_EVERY {
                tracing::info!("{what}");
                said_at = Instant::now();
            }
            waiting(Some(Told::new(public, what)));
            if stop.load(Ordering::Relaxed) {
                return Err(ClusterError::Ended);
            }
            let others_wait = callers.are_waiting();
            thread::sleep(if others_wait { AGAIN_SOON } else { AGAIN });
        }
        waiting(None);
        let sockets = sockets.into_iter().zip(&self.addresses);
        Ok(Links {
            process: self.process,
            sockets: sockets
                .map(|(socket, address)| Some((socket?, address.clone())))
                .collect(),
        })
    }

    /// Calls a process that comes before this one; `None` if it is not there yet.
    fn call(&self, process: usize, hello: &Hello) -> Result<Option<TcpStream>, ClusterError> {
        let Some(mut socket) = dial(&self.addresses[process]) else {
            return Ok(None);
        };
        match self.greet(&mut socket, process, hello) {
            Ok(theirs) => {
                self.check(process, hello, &theirs)?;
                Ok(Some(socket))
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let address = &self.addresses[process];
                tracing::warn!(process, address, "{error}; it is called again");
                thread::sleep(AGAIN_DENIED);
                Ok(None)
            }
            // It is just starting, or ending: it is called again.
            Err(error) if error.kind() != io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(self.unlike(process, error.to_string())),
        }
    }

    /// Takes the call of one that knows the secret: a process that comes after this one.
    fn answer(
        &self,
        caller: Proven,
        hello: &Hello,
    ) -> Result<Option<(usize, TcpStream)>, ClusterError> {
        let (mut socket, from, process) = (caller.socket, caller.from, caller.process);
        let proof = self
            .secret
            .prove(Role::Called, &caller.nonces, self.process, process);
        match greet_back(&mut socket, &proof, hello) {
            Ok(theirs)
                if theirs.process < self.processes() || theirs.processes != self.processes() =>
            {
                self.check(theirs.process, hello, &theirs)?;
                Ok(Some((theirs.process, socket)))
            }
            Ok(theirs) => {
                tracing::warn!(%from, process = theirs.process, "a process with a wrong number called");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(%from, %error, process, "a process called and hung up");
                Ok(None)
            }
        }
    }

    /// Proves to a process that this one knows the secret, has it prove the same, and exchanges
    /// hellos, all as the caller.
    fn greet(&self, socket: &mut TcpStream, to: usize, hello: &Hello) -> io::Result<Hello> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(HELLO_MAX))?;
        let (caller, opening) = Opening::fresh()?;
        send(socket, &opening)?;
        let called = receive::<Opening>(socket)?.nonce()?;
        let nonces = Nonces { caller, called };
        let proof = self.secret.prove(Role::Caller, &nonces, self.process, to);
        send(socket, &proof)?;
        let proof: Proof = receive(socket).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => denied("hangs up at"),
            _ => error,
        })?;
        let fits = (proof.from, proof.to) == (to, self.process);
        if !fits || !self.secret.holds(&proof, Role::Called, &nonces) {
            return Err(denied("does not return"));
        }
        send(socket, hello)?;
        receive(socket)
    }

    fn check(&self, process: usize, mine: &Hello, theirs: &Hello) -> Result<(), ClusterError> {
        match mine.unlike(theirs) {
            Some(what) => Err(self.unlike(process, what)),
            None => Ok(()),
        }
    }

    fn unlike(&self, process: usize, what: String) -> ClusterError {
        let address = self.addresses.get(process).cloned();
        ClusterError::Unlike {
            process,
            address: address.unwrap_or_else(|| "an unknown address".to_string()),
            what,
        }
    }
}

impl Links {
    /// What process 0 knows: its own there, and heard from it by the others.
    pub fn share<T: Serialize + DeserializeOwned>(&mut self, own: T) -> Result<T, ClusterError> {
        if self.process > 0 {
            return self.hear();
        }
        self.tell(&own)?;
        Ok(own)
    }

    /// Tells all other processes how this run starts. Process 0 only.
    pub fn tell(&mut self, what: &impl Serialize) -> Result<(), ClusterError> {
        for (process, socket) in self.sockets.iter_mut().enumerate() {
            if let Some((socket, address)) = socket {
                send(socket, what).map_err(|source| lost(process, address, source))?;
            }
        }
        Ok(())
    }

    /// Hears from process 0 how this run starts.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<T, ClusterError> {
        let first = self.sockets.first_mut().and_then(Option::as_mut);
        let Some((socket, address)) = first else {
            return Err(ClusterError::Threads(
                "process 0 has nobody to ask".to_string(),
            ));
        };
        socket
            .set_read_timeout(Some(START_MAX))
            .and_then(|()| receive(socket))
            .map_err(|source| lost(0, address, source))
    }
}

fn lost(process: usize, address: &str, source: io::Error) -> ClusterError {
    ClusterError::Lost {
        process,
        address: address.to_string(),
        source,
    }
}

fn dial(address: &str) -> Option<TcpStream> {
    let mut resolved = address.to_socket_addrs().ok()?;
    resolved.find_map(|address| TcpStream::connect_timeout(&address, HELLO_MAX).ok())
}

fn denied(what: &str) -> io::Error {
    let what = format!("it {what} the proof of the secret: give the same --cluster-secret to all");
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// Proves the same back to one that has proven that it knows the secret, and exchanges hellos.
fn greet_back(socket: &mut TcpStream, proof: &Proof, hello: &Hello) -> io::Result<Hello> {
    // A caller that has given up meanwhile calls again, and only that call counts.
    peek(socket, &mut [0])?;
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(HELLO_MAX))?;
    socket.set_write_timeout(Some(HELLO_MAX))?;
    send(socket, proof)?;
    let theirs = receive(socket)?;
    send(socket, hello)?;
    Ok(theirs)
}
