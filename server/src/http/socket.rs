//! A connection's socket that does not wait for ever: if its peer takes nothing of what is
//! written for too long, writing fails, and the connection ends.
//!
//! This is what bounds a slow subscriber in time; its memory is bounded by the buffers below
//! (the kernel's) and above (hyper's), and by changes being merged while it does not drain.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::metrics::Metrics;

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
    stall_timeout: Duration,
    /// Runs while a write waits; made at the first stall, since most sockets never have one.
    stalled: Option<Pin<Box<Sleep>>>,
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

    /// Says that what it sends from now on is a stream.
    pub fn set_streaming(&self) {
        self.streaming.store(true, Ordering::Relaxed);
    }
}

impl Socket {
    /// A socket whose writes fail once they have waited for `stall_timeout`.
    pub fn new(
        stream: TcpStream,
        connection: Arc<Connection>,
        metrics: Metrics,
        stall_timeout: Duration,
    ) -> Socket {
        Socket {
            stream,
            connection,
            metrics,
            stall_timeout,
            stalled: None,
        }
    }

    /// Passes a write's result on, unless it has waited too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.stall_timeout;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        if self.connection.streaming.swap(false, Ordering::Relaxed) {
            self.metrics.streams_dropped.increment(1);
            tracing::info!(peer = ?self.stream.peer_addr().ok(), "dropped a slow subscriber");
        }
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
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
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
