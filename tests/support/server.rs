//! A server on loopback that sends prepared responses and stores the received requests.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One response, as bytes on the wire.
#[derive(Clone)]
pub struct Answer {
    head: String,
    /// Each piece is one chunk of the chunked body.
    pieces: Vec<Vec<u8>>,
    /// Whether the final chunk is sent before the connection is closed.
    ends: bool,
    /// Whether the connection stays open after the last piece, without sending more.
    stall: bool,
    /// Bytes that are sent again and again after the last piece.
    heartbeat: Option<&'static str>,
    /// The delay before the response.
    wait: Duration,
}

impl Answer {
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let head = match kind {
            "" => format!("HTTP/1.1 {status} Status\r\n"),
            kind => format!("HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\n"),
        };
        Self {
            head,
            pieces: vec![body.into()],
            ends: true,
            stall: false,
            heartbeat: None,
            wait: Duration::ZERO,
        }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub fn events(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/event-stream; charset=utf-8", body)
    }

    /// Closes the connection without a response.
    pub fn disconnect() -> Self {
        Self { head: String::new(), ends: false, ..Self::new(200, "", "") }
    }

    /// Delays the response.
    pub fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.extend([name, ": ", value, "\r\n"]);
        self
    }

    /// Splits the body into pieces at these positions.
    pub fn split_at(mut self, positions: &[usize]) -> Self {
        let body = self.pieces.concat();
        let mut rest = body.as_slice();
        let mut done = 0;
        self.pieces.clear();
        for position in positions {
            let (piece, after) = rest.split_at(position - done);
            self.pieces.push(piece.to_vec());
            (rest, done) = (after, *position);
        }
        self.pieces.push(rest.to_vec());
        self
    }

    /// Closes the connection before the end of the body.
    pub fn truncated(mut self) -> Self {
        self.ends = false;
        self
    }

    /// Keeps the connection open after the last piece, without ending the body.
    pub fn stalled(mut self) -> Self {
        (self.ends, self.stall) = (false, true);
        self
    }

    /// Sends this text every 100 ms after the last piece, for ten seconds.
    pub fn beating(mut self, text: &'static str) -> Self {
        (self.ends, self.heartbeat) = (false, Some(text));
        self
    }

    fn write(&self, connection: &mut TcpStream) -> std::io::Result<()> {
        std::thread::sleep(self.wait);
        if self.head.is_empty() {
            return Ok(());
        }
        let head = &self.head;
        let mut bytes =
            format!("{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n").into_bytes();
        for piece in self.pieces.iter().filter(|piece| !piece.is_empty()) {
            bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
            if self.pieces.len() <= 4 {
                // A few pieces are sent separately; many are sent in one write, for speed.
                connection.write_all(&std::mem::take(&mut bytes))?;
            }
        }
        if self.ends {
            bytes.extend(b"0\r\n\r\n");
        }
        connection.write_all(&bytes)?;
        connection.flush()?;
        for text in self.heartbeat.iter().cycle().take(100) {
            std::thread::sleep(Duration::from_millis(100));
            connection.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
        }
        if self.stall {
            std::thread::sleep(Duration::from_secs(30));
        }
        Ok(())
    }
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Sent {
    pub head: String,
    pub body: serde_json::Value,
}

/// The server, which runs until the end of the process.
pub struct Server {
    url: String,
    stalls: bool,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Server {
    /// Starts a server that sends the answers in order, and then repeats the last one.
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let stalls = answers.first().is_some_and(|answer| answer.stall);
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let Ok(connection) = connection else { return };
                let answer = answers[number.min(answers.len() - 1)].clone();
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    // Some tests are about clients that disconnect.
                    let _ = serve(connection, &answer, &seen);
                });
            }
        });
        Self { url, stalls, sent }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether the first answer never ends.
    pub fn stalls(&self) -> bool {
        self.stalls
    }

    /// Returns scheme, host and port.
    pub fn root(&self) -> &str {
        self.url.trim_end_matches("/v1")
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().expect("the lock is not poisoned").clone()
    }
}

fn serve(connection: TcpStream, answer: &Answer, seen: &Mutex<Vec<Sent>>) -> std::io::Result<()> {
    // Nagle's algorithm would delay each piece by 40 ms.
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        head.push_str(&line);
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    seen.lock().expect("the lock is not poisoned").push(Sent { head, body });
    answer.write(reader.get_mut())
}
