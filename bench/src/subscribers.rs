//! Thousands of subscribers of the stream on one thread, cheap enough to share two cores with the
//! service that they listen to.
//!
//! Bare HTTP/1.1 over sockets and the system's readiness events. Of what comes only the ends of
//! lines, `id:` and the event's name are looked at; a frame is complete at its blank line, and its
//! delay is counted from its tick, which is the service's clock in milliseconds.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// How much of a line is looked at: an id or an event's name.
const LINE_HEAD_BYTES: usize = 32;

/// How much is read at once; many frames, and little enough for the cache.
const READ_BYTES: usize = 64 << 10;

/// How often it is looked whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Subscribers that listen until they are told to stop.
pub struct Subscribers {
    window: Arc<Window>,
    thread: JoinHandle<anyhow::Result<Heard>>,
}

/// What they heard of the ticks of a window of time.
#[derive(Debug, Default)]
pub struct Heard {
    /// From the tick to reading the frame, in milliseconds.
    pub delays_ms: Vec<f64>,
    /// How many subscribers got the frame of each tick.
    pub by_tick: HashMap<u64, u64>,
    /// Bytes of all that came since the connections stood, and how many frames these held.
    pub bytes: u64,
    /// Frames that came at any time.
    pub frames: u64,
    /// Connections that the service has ended.
    pub ended: usize,
}

/// Which ticks count, and the end.
#[derive(Default)]
struct Window {
    from_tick: AtomicU64,
    to_tick: AtomicU64,
    stop: AtomicBool,
}

/// One subscriber.
struct Ear {
    stream: TcpStream,
    text: Text,
}

/// What has come of a stream, as far as it is looked at.
#[derive(Default)]
struct Text {
    head: [u8; LINE_HEAD_BYTES],
    /// Bytes of the current line so far, its head or more.
    line_bytes: usize,
    tick: u64,
    is_change: bool,
}

impl Subscribers {
    /// Connects so many to a route of a service.
    pub fn connect(address: &str, route: &str, count: usize) -> anyhow::Result<Subscribers> {
        let address: SocketAddr = address.parse().context("the service's address")?;
        let request = format!("GET {route} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let poll = Poll::new().context("watching sockets")?;
        let mut ears = Vec::with_capacity(count);
        for token in 0..count {
            let connect = || -> std::io::Result<Ear> {
                let mut stream = StdStream::connect(address)?;
                stream.write_all(request.as_bytes())?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let interest = Interest::READABLE;
                poll.registry()
                    .register(&mut stream, Token(token), interest)?;
                let text = Text::default();
                Ok(Ear { stream, text })
            };
            ears.push(connect().with_context(|| format!("subscriber {token} of {count}"))?);
        }
        let window = Arc::new(Window::default());
        let theirs = Arc::clone(&window);
        let listen = move || Listening::new(poll, ears, theirs).run();
        let thread = std::thread::Builder::new().name("subscribers".to_string());
        Ok(Subscribers {
            window,
            thread: thread.spawn(listen).context("starting a thread")?,
        })
    }

    /// Frames count from now on for so long; what is under way then has `patience` to come.
    pub fn hear(self, length: Duration, patience: Duration) -> anyhow::Result<Heard> {
        let from = now_us() / 1000;
        let to = from + length.as_millis() as u64;
        self.window.to_tick.store(to, Ordering::Relaxed);
        self.window.from_tick.store(from, Ordering::Release);
        std::thread::sleep(length + patience);
        self.window.stop.store(true, Ordering::Relaxed);
        let heard = self.thread.join();
        heard.map_err(|_| anyhow::anyhow!("the subscribers have panicked"))?
    }
}

impl Heard {
    /// The ticks of which somebody got a frame: each subscriber should have got all of them.
    pub fn ticks(&self) -> usize {
        self.by_tick.len()
    }

    /// The bytes of a frame on the wire.
    pub fn frame_bytes(&self) -> f64 {
        self.bytes as f64 / self.frames.max(1) as f64
    }
}

struct Listening {
    poll: Poll,
    ears: Vec<Ear>,
    window: Arc<Window>,
    heard: Heard,
}

impl Listening {
    fn new(poll: Poll, ears: Vec<Ear>, window: Arc<Window>) -> Listening {
        let heard = Heard::default();
        Listening {
            poll,
            ears,
            window,
            heard,
        }
    }

    fn run(mut self) -> anyhow::Result<Heard> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES];
        while !self.window.stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(LOOK_EVERY)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.context("waiting for frames")?,
            }
            for event in &events {
                self.read(event.token().0, &mut buffer)?;
            }
        }
        Ok(self.heard)
    }

    /// Reads what an ear's socket holds.
    fn read(&mut self, ear: usize, buffer: &mut [u8]) -> anyhow::Result<()> {
        loop {
            let ear = &mut self.ears[ear];
            match ear.stream.read(buffer) {
                Ok(0) => {
                    self.heard.ended += 1;
                    return Ok(());
                }
                Ok(read) => {
                    let now_us = now_us();
                    let (heard, window) = (&mut self.heard, &self.window);
                    // The first answer is the snapshot, which is no frame.
                    let frames = heard.frames;
                    ear.text
                        .take(&buffer[..read], |tick| heard.frame(window, tick, now_us));
                    if heard.frames > frames {
                        heard.bytes += read as u64;
                    }
                    // Less than there was room for: the socket is empty, and the next byte makes
                    // an event (epoll(7), questions and answers).
                    if read < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    ensure!(error.kind() == ErrorKind::ConnectionReset, "{error}");
                    self.heard.ended += 1;
                    return Ok(());
                }
            }
        }
    }
}

impl Heard {
    fn frame(&mut self, window: &Window, tick: u64, now_us: u64) {
        self.frames += 1;
        let from = window.from_tick.load(Ordering::Acquire);
        if from == 0 || tick < from || tick >= window.to_tick.load(Ordering::Relaxed) {
            return;
        }
        *self.by_tick.entry(tick).or_default() += 1;
        // The clock may be a little behind the tick, which is rounded.
        let delay_us = now_us.saturating_sub(tick * 1000);
        self.delays_ms.push(delay_us as f64 / 1000.0);
    }
}

impl Text {
    fn take(&mut self, mut bytes: &[u8], mut frame: impl FnMut(u64)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.add(&bytes[..end]);
            self.end_line(&mut frame);
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    fn add(&mut self, part: &[u8]) {
        if let Some(room) = self.head.get_mut(self.line_bytes..) {
            let length = part.len().min(room.len());
            room[..length].copy_from_slice(&part[..length]);
        }
        self.line_bytes += part.len();
    }

    /// Between the lines of events there are those of the chunks that they travel in.
    fn end_line(&mut self, frame: &mut impl FnMut(u64)) {
        let head = &self.head[..self.line_bytes.min(LINE_HEAD_BYTES)];
        let line = head.trim_ascii_end();
        if let Some(id) = line.strip_prefix(b"id: ") {
            let digits = id.iter().map(|digit| u64::from(digit.wrapping_sub(b'0')));
            self.tick = digits.fold(0, |tick, digit| tick.wrapping_mul(10).wrapping_add(digit));
        } else if line == b"event: change" {
            self.is_change = true;
        } else if self.line_bytes == 0 {
            if self.is_change {
                frame(self.tick);
            }
            self.is_change = false;
        }
        self.line_bytes = 0;
    }
}

/// This machine's clock, as ticks have it, but finer.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        d\r\nretry: 1000\n\n\r\n\
        30\r\nid: 5\nevent: snapshot\ndata: {\"tick\":5,\"a\":\"id: 9\"}\n\n\r\n\
        30\r\nid: 1383508800123\nevent: change\ndata: {\"tick\":1383508800123}\n\n\r\n\
        30\r\nevent: alive\ndata: {}\n\n\r\n\
        30\r\nid: 7\nevent: change\ndata: {}\n\n\r\n";

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        for cut in 1..STREAM.len() {
            let mut text = Text::default();
            let mut ticks = Vec::new();
            for part in STREAM.as_bytes().chunks(cut) {
                text.take(part, |tick| ticks.push(tick));
            }
            assert_eq!(ticks, [1_383_508_800_123, 7], "cut by {cut}");
        }
    }
}
