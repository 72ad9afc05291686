//! A subscriber: the stream's events, read as a browser reads them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::DEADLINE;
use super::client::read_head;

/// An open stream.
pub struct Stream {
    reader: BufReader<TcpStream>,
    /// Bytes of the body that are no whole event yet.
    rest: Vec<u8>,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its kind.
    pub name: String,
    /// Its id.
    pub id: Option<u64>,
    /// Its data.
    pub data: Value,
}

impl Stream {
    /// Subscribes, with a `Last-Event-ID` or without.
    pub fn open(address: SocketAddr, query: &str, last: Option<&str>) -> Stream {
        Stream::try_open(address, query, last).expect("the stream is open")
    }

    /// Subscribes to a server that may be gone, or not ready.
    pub fn try_open(address: SocketAddr, query: &str, last: Option<&str>) -> io::Result<Stream> {
        let last = last
            .map(|id| format!("Last-Event-ID: {id}\r\n"))
            .unwrap_or_default();
        Stream::try_open_with(address, query, &last)
    }

    /// Subscribes with lines of headers.
    pub fn try_open_with(address: SocketAddr, query: &str, lines: &str) -> io::Result<Stream> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let head = format!("GET /api/v1/stream{query} HTTP/1.1\r\nHost: {address}\r\n{lines}\r\n");
        socket.write_all(head.as_bytes())?;
        let mut reader = BufReader::new(socket);
        let (status, _) = read_head(&mut reader)?;
        if status != 200 {
            return Err(io::Error::other(format!("the status is {status}")));
        }
        Ok(Stream {
            reader,
            rest: Vec::new(),
        })
    }

    /// The next event; `None` once the server has ended the stream in order.
    pub fn next(&mut self) -> Option<Event> {
        self.try_next()
            .expect("the stream goes on or ends in order")
    }

    /// The next event of a server that may be killed meanwhile.
    pub fn try_next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.rest.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
                continue;
            }
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            self.rest.extend(chunk);
        }
    }

    /// The next event of a kind, passing over signs of life only.
    pub fn expect(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().expect("the stream goes on");
            if event.name == name {
                return event;
            }
            assert_eq!(event.name, "alive", "instead of {name}: {event:?}");
        }
    }

    /// A chunk of the body (RFC 9112, 7.1); empty at its end.
    fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut size = String::new();
        self.reader.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok(chunk)
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some(Event {
        data: serde_json::from_str(field("data")?).expect("data is JSON"),
        name: field("event").expect("an event has a name").to_string(),
        id: field("id").map(|id| id.parse().expect("an id is a tick")),
    })
}
