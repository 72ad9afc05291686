//! A connection's socket that does not wait for ever: if its peer takes nothing of what is
//! written for too long, or does not take a whole answer in time, writing fails, and the
//! connection ends.
//!
//! This is what bounds a slow reader in time. Its memory is bounded by the buffers below (the
//! kernel's) and above (hyper's), by changes being merged while a subscriber does not drain, and by
//! the [`Budget`] of all that is encoded: the fuller that is, the less time those have who are
//! behind, so that they make room for others before others are refused.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::metrics::Metrics;
use super::settings::Limits;
use crate::publish::Budget;

/// How often one that waits looks whether it still may: memory may have run short meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long one may be behind even when there is no memory left: whoever has a good line takes
/// an answer in less.
const BEHIND_MIN: Duration = Duration::from_secs(1);

/// What is known of a connection while it lives.
#[derive(Debug)]
pub struct Connection {
    from: IpAddr,
    streaming: AtomicBool,
}

/// A socket whose writes fail after a stall.
pub struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    metrics: Metrics,
    patience: Patience,
    /// Since when a write waits.
    stalled_at: Option<Instant>,
    /// Since when there is something that the peer has not taken.
    behind_at: Option<Instant>,
    /// Made at the first wait, since most sockets never have one.
    timer: Option<Pin<Box<Sleep>>>,
}

/// How long a peer may take.
pub struct Patience {
    stall: Duration,
    whole: Duration,
    budget: Budget,
}

impl Connection {
    /// A connection from an address.
    pub fn new(from: IpAddr) -> Connection {
        Connection {
            from,
            streaming: AtomicBool::new(false),
        }
    }

    /// Where it comes from; says nothing of who may do what.
    pub fn from(&self) -> IpAddr {
        self.from
    }

    /// Says whether what it sends from now on is a stream.
    pub fn set_streaming(&self, is_streaming: bool) {
        self.streaming.store(is_streaming, Ordering::Relaxed);
    }
}

impl Patience {
    /// As the limits say, and less the less memory is left.
    pub fn new(limits: &Limits, budget: Budget) -> Patience {
        Patience {
            stall: limits.stall_timeout,
            whole: limits.answer_timeout,
            budget,
        }
    }

    /// How long a peer may be behind; a subscriber for ever, as long as there is memory.
    fn behind(&self, is_streaming: bool) -> Option<Duration> {
        let pressure = self.budget.pressure();
        if is_streaming && pressure == 0.0 {
            return None;
        }
        Some(self.whole.mul_f64(1.0 - pressure).max(BEHIND_MIN))
    }
}

impl Socket {
    /// A socket whose peer has so much time.
    pub fn new(
        stream: TcpStream,
        connection: Arc<Connection>,
        metrics: Metrics,
        patience: Patience,
    ) -> Socket {
        Socket {
            stream,
            connection,
            metrics,
            patience,
            stalled_at: None,
            behind_at: None,
            timer: None,
        }
    }

    /// Passes a write's result on, unless it comes too late.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled_at = None;
            // One that never waited is not behind; the clock is asked for no one else.
            if self.behind_at.is_none() || Instant::now() < self.deadline() {
                return written;
            }
            return Poll::Ready(Err(self.cut()));
        }
        let now = Instant::now();
        self.stalled_at.get_or_insert(now);
        self.behind_at.get_or_insert(now);
        loop {
            let (now, deadline) = (Instant::now(), self.deadline());
            if now >= deadline {
                return Poll::Ready(Err(self.cut()));
            }
            let look_at = deadline.min(now + LOOK_EVERY);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(look_at)));
            if timer.is_elapsed() || timer.deadline() > look_at {
                timer.as_mut().reset(look_at);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    /// Until when the peer must have taken what is written.
    fn deadline(&self) -> Instant {
        let is_streaming = self.connection.streaming.load(Ordering::Relaxed);
        let stall = self.stalled_at.map(|at| at + self.patience.stall);
        let behind = self.patience.behind(is_streaming);
        let behind = self.behind_at.zip(behind).map(|(at, most)| at + most);
        let far = || Instant::now() + LOOK_EVERY;
        stall.into_iter().chain(behind).min().unwrap_or_else(far)
    }

    fn cut(&mut self) -> io::Error {
        if self.connection.streaming.swap(false, Ordering::Relaxed) {
            self.metrics.streams_dropped.increment(1);
            tracing::info!(peer = ?self.stream.peer_addr().ok(), "dropped a slow subscriber");
        } else {
            self.metrics.answers_cut.increment(1);
        }
        io::Error::from(io::ErrorKind::TimedOut)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when the kernel has all that it had.
        self.behind_at = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
