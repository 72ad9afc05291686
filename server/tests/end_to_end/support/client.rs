//! A small HTTP client that sends exactly what a test says, right or wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::DEADLINE;

/// The token of every server of the tests, but of those that are given another.
pub const TOKEN: &str = "the-token-of-the-tests";

/// A client that opens a connection for each request, and shows the token where it writes.
#[derive(Clone, Copy)]
pub struct Client {
    address: SocketAddr,
    is_stranger: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of a server.
    pub fn new(address: SocketAddr) -> Client {
        Client {
            address,
            is_stranger: false,
        }
    }

    /// The same without the token.
    pub fn stranger(self) -> Client {
        Client {
            is_stranger: true,
            ..self
        }
    }

    /// Asks a question.
    pub fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    /// Asks a question with headers.
    pub fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, headers, b"")
    }

    /// What is for operators only.
    pub fn operations(&self) -> Value {
        let bearer = format!("Bearer {TOKEN}");
        let answer = self.get_with("/api/v1/operations", &[("Authorization", &bearer)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Posts lines of events.
    pub fn vote(&self, lines: &str) -> Answer {
        let headers = [("Content-Type", "application/x-ndjson")];
        self.send("POST", "/api/v1/votes", &headers, lines.as_bytes())
    }

    /// Sends a request, with `Host` and the token unless the headers have them.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let answer = self.try_send(method, target, headers, body);
        answer.unwrap_or_else(|error| panic!("{method} {target} is answered, not: {error}"))
    }

    /// Sends a request that may find no server.
    pub fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        let has = |name: &str| {
            headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        if !has("host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !has("content-length") && !has("transfer-encoding") && method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        if !has("authorization") && method == "POST" && !self.is_stranger {
            head.push_str(&format!("Authorization: Bearer {TOKEN}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.write_all(head.as_bytes())?;
        socket.write_all(body)?;
        read(socket, method != "HEAD")
    }
}

/// Reads an answer that ends with its connection.
pub fn read(socket: TcpStream, has_body: bool) -> std::io::Result<Answer> {
    let mut reader = BufReader::new(socket);
    let (status, headers) = read_head(&mut reader)?;
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    let answer = Answer {
        status,
        headers,
        body,
    };
    let announced = answer.header("content-length").filter(|_| has_body);
    if announced.is_some_and(|length| length != answer.body.len().to_string()) {
        // A server that is killed while it answers has not answered.
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

/// Reads a status and headers.
pub fn read_head(reader: &mut impl BufRead) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_string())),
            None => return Ok((status, headers)),
        }
    }
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The body of an error, which must be a problem of RFC 9457 with its own status.
    pub fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for member in ["type", "title", "detail"] {
            assert!(
                problem[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        problem
    }
}
