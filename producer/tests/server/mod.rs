//! A tiny HTTP server for tests: answers each request as a closure says.
//!
//! Comes in as a closure from request to answer; goes out as an address on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A request, read whole.
#[derive(Debug)]
pub struct Request {
    /// Its number from 0, in the order of arrival.
    pub number: u64,
    /// Method and path.
    pub line: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What to do about it.
pub enum Answer {
    Status(u16, String),
    /// Close the connection without a word.
    HangUp,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.body.split(|byte| *byte == b'\n');
        lines.filter(|line| !line.is_empty())
    }
}

/// Serves on a free port until the test's process ends.
pub fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    let answer = Arc::new(answer);
    let number = Arc::new(AtomicU64::new(0));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (answer, number) = (answer.clone(), number.clone());
            std::thread::spawn(move || converse(&connection, &*answer, &number));
        }
    });
    address
}

/// Answers requests on one connection until either side has enough.
fn converse(
    connection: &TcpStream,
    answer: &dyn Fn(&Request) -> Answer,
    number: &AtomicU64,
) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let request = read(&mut reader, number)?;
        let (status, text) = match answer(&request) {
            Answer::Status(status, text) => (status, text),
            Answer::HangUp => return None,
        };
        let bytes = text.len();
        let head =
            format!("HTTP/1.1 {status} Said\r\ncontent-length: {bytes}\r\nretry-after: 0\r\n\r\n");
        let mut writer = connection;
        writer.write_all((head + &text).as_bytes()).ok()?;
    }
}

fn read(reader: &mut BufReader<&TcpStream>, number: &AtomicU64) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_string())),
            None => break,
        }
    }
    let mut request = Request {
        number: number.fetch_add(1, Ordering::SeqCst),
        line: line.trim_end().to_string(),
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|value| value.parse().ok());
    request.body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
