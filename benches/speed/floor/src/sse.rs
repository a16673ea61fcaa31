//! Splits a body into server-sent events.

use futures_util::StreamExt as _;

/// Calls `event` with the data of each event.
pub async fn read(response: reqwest::Response, mut event: impl FnMut(&[u8])) {
    let mut body = response.bytes_stream();
    let mut buffer: Vec<u8> = Vec::new();
    let mut scanned = 0;
    while let Some(chunk) = body.next().await {
        buffer.extend_from_slice(&chunk.expect("a chunk"));
        let mut start = 0;
        while let Some(length) = memchr::memmem::find(&buffer[scanned..], b"\n\n") {
            let end = scanned + length;
            // An event has a line `event:` before its data in some protocols.
            let lines = &buffer[start..end];
            let data = match lines.strip_prefix(b"event: ") {
                Some(named) => &named[memchr::memchr(b'\n', named).map_or(0, |at| at + 1)..],
                None => lines,
            };
            if let Some(data) = data.strip_prefix(b"data: ") {
                event(data);
            }
            (start, scanned) = (end + 2, end + 2);
        }
        buffer.drain(..start);
        scanned = buffer.len().saturating_sub(1);
    }
}
