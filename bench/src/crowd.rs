//! Many connections that take up room: readers that read slowly, and others that only stay.
//!
//! One thread reads a little of each at fixed times, so that all of them together cost less than
//! the service that they are tried on. What comes is thrown away.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use socket2::{Domain, Socket, Type};

/// How often each reads.
const READ_EVERY: Duration = Duration::from_millis(250);

/// How much it reads then: 16 KB a second.
const READ_BYTES: usize = 4 << 10;

/// What its kernel takes beforehand, doubled by it; else that would be megabytes.
const RECEIVE_BUFFER_BYTES: usize = 4 << 10;

/// How long connecting, and an answer that is wanted soon, may take.
const SOON: Duration = Duration::from_secs(1);

/// Readers that read slowly, and ask again when their answer ends or is cut.
pub struct Readers {
    open: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Readers {
    /// Opens so many in the time given, one after the other: so they get answers of many ticks.
    pub fn start(
        address: SocketAddr,
        route: &'static str,
        count: usize,
        within: Duration,
    ) -> anyhow::Result<Readers> {
        let (open, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (theirs, ended) = (Arc::clone(&open), Arc::clone(&stop));
        let each_round = count.div_ceil((within.as_millis() / READ_EVERY.as_millis()) as usize);
        let read = move || {
            let (mut readers, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
            while !ended.load(Ordering::Relaxed) {
                let round_at = Instant::now();
                let missing = count - readers.len();
                let new = (0..missing.min(each_round)).map_while(|_| ask(address, route).ok());
                readers.extend(new);
                readers.retain_mut(|reader| goes_on(reader, &mut buffer));
                theirs.store(readers.len(), Ordering::Relaxed);
                thread::sleep(READ_EVERY.saturating_sub(round_at.elapsed()));
            }
        };
        let thread = thread::Builder::new().name("readers".to_string());
        Ok(Readers {
            open,
            stop,
            thread: thread.spawn(read).context("starting a thread")?,
        })
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Closes all.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        // One that has panicked reads no more, either.
        let _ = self.thread.join();
    }
}

/// Whether a reader's answer has not ended.
fn goes_on(reader: &mut TcpStream, buffer: &mut [u8]) -> bool {
    match reader.read(buffer) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Asks, and reads nothing.
fn ask(address: SocketAddr, route: &str) -> anyhow::Result<TcpStream> {
    let request = format!("GET {route} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let stream = send(address, request.as_bytes())?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Opens a connection whose kernel takes little, and sends what is given.
pub fn send(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.connect_timeout(&address.into(), SOON)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    stream.write_all(bytes)?;
    Ok(stream)
}

/// Whether a request is answered with a status within a second.
pub fn is_answered(address: SocketAddr, request: &str, status: &str) -> bool {
    let answered = || {
        let asked_at = Instant::now();
        let mut stream = send(address, request.as_bytes())?;
        let mut line = [0; 12];
        stream.read_exact(&mut line)?;
        let is_right = line.ends_with(status.as_bytes());
        anyhow::Ok(is_right && asked_at.elapsed() < SOON)
    };
    answered().unwrap_or(false)
}

/// The share of so many tries that succeed.
pub fn share(tries: usize, mut succeeds: impl FnMut(usize) -> bool) -> f64 {
    let succeeded = (0..tries).filter(|at| succeeds(*at)).count();
    succeeded as f64 / tries as f64
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_counts_if_it_is_the_right_one_and_comes_soon() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let serve = move || {
            for line in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 503 No\r\n", ""] {
                let (mut stream, _) = listener.accept().expect("a client");
                stream.write_all(line.as_bytes()).expect("it is told");
            }
        };
        let server = thread::spawn(serve);
        assert_eq!(share(3, |_| is_answered(address, "GET", "200")), 1.0 / 3.0);
        server.join().expect("it ends well");
    }
}
