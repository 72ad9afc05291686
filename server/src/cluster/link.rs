//! One connection between two processes, as timely uses it: what it fails with names the peer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use timely::communication::allocator::zero_copy::stream::Stream;

use super::SILENCE_MAX;

/// See the module.
pub(super) struct Link {
    socket: TcpStream,
    process: usize,
    address: String,
}

impl Link {
    pub(super) fn new(socket: TcpStream, process: usize, address: String) -> io::Result<Link> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        socket.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Link {
            socket,
            process,
            address,
        })
    }

    fn named(&self, error: &io::Error) -> io::Error {
        let (process, address) = (self.process, &self.address);
        let what = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                let seconds = SILENCE_MAX.as_secs();
                format!("process {process} at {address} has been silent for {seconds} s")
            }
            _ => format!("process {process} at {address} has gone ({error})"),
        };
        io::Error::new(error.kind(), what)
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(buffer) {
                // A process that was stopped and goes on is told so here, and that is all.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.named(&error)),
                Ok(bytes) => return Ok(bytes),
            }
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.named(&error)),
                Ok(written) => return Ok(written),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Link> {
        Ok(Link {
            socket: self.socket.try_clone()?,
            process: self.process,
            address: self.address.clone(),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}
