//! A model server that answers at once: the scenario is the first segment of the path.
//!
//! - `tool`: calls the tool, and answers its result in 20 pieces.
//! - `text-COUNT-SIZE`: answers in `COUNT` pieces of `SIZE` bytes.
//! - `arguments-TOTAL-SIZE`: calls the tool with `TOTAL` bytes of arguments in pieces of `SIZE`.
//! - `idle`: sends a first piece, then nothing.
//! - `status-CODE`: answers with that status code.
//! - `torn`: closes the connection in the middle of the answer.
//! - `garbage`: answers with a body that is not JSON.

mod protocols;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use protocols::{Api, Response};

/// Responses by scenario, protocol and stage, so that the server costs little.
type Prepared = Arc<Mutex<HashMap<(String, Api, bool, bool), Arc<Response>>>>;

/// Serves until the process ends.
pub async fn run(listener: TcpListener) {
    let prepared = Prepared::default();
    loop {
        // A process without free descriptors can accept later.
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        tokio::spawn(serve(socket, Arc::clone(&prepared)));
    }
}

async fn serve(mut socket: TcpStream, prepared: Prepared) -> Option<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    loop {
        let (path, body) = read_request(&mut socket, &mut buffer).await?;
        let scenario = path.split('/').nth(1)?.to_owned();
        let streamed =
            path.contains("streamGenerateContent") || contains(&body, b"\"stream\":true");
        let answered = [
            &b"\"role\":\"tool\""[..],
            b"function_call_output",
            b"\"tool_result\"",
            b"\"functionResponse\"",
        ]
        .iter()
        .any(|mark| contains(&body, mark));
        let api = Api::of_path(&path);
        let key = (scenario.clone(), api, streamed, answered);
        let response = {
            let mut prepared = prepared.lock().expect("not poisoned");
            let write = || Arc::new(protocols::response(&scenario, api, streamed, answered));
            Arc::clone(prepared.entry(key).or_insert_with(write))
        };
        match scenario.split('-').next()? {
            "idle" => {
                socket.write_all(&response.first).await.ok()?;
                let _ = socket.read(&mut [0; 16]).await;
                return None;
            }
            "torn" => {
                let half = response.complete.len() / 2;
                socket.write_all(&response.complete[..half]).await.ok()?;
                return None;
            }
            "status" | "garbage" => {
                let status = scenario.strip_prefix("status-").unwrap_or("200");
                let body =
                    if status == "200" { "not JSON" } else { r#"{"error":{"message":"no"}}"# };
                let head = format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json");
                let response = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                socket.write_all(response.as_bytes()).await.ok()?;
            }
            _ => socket.write_all(&response.complete).await.ok()?,
        }
    }
}

/// Reads a request and returns its path and body, or `None` at the end of the connection.
pub async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Option<(String, Vec<u8>)> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let length =
        text.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
    let end = head + length.unwrap_or(0usize);
    while buffer.len() < end {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let path = String::from_utf8_lossy(&buffer[..head]).split(' ').nth(1)?.to_owned();
    let body = buffer[head..end].to_vec();
    buffer.drain(..end);
    Some((path, body))
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}
