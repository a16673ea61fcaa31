//! Replies as they come: a whole body of JSON, or server-sent events one by one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatlas_core::{CompletionEvent, ProviderError, ProviderErrorKind};
use futures_util::{Stream, StreamExt as _};
use reqwest::Response;
use serde::de::IgnoredAny;
use serde_json::Value;
use sse_stream::SseByteStream;

use super::LONGEST_REFUSAL;
use super::client::root_cause;

/// The longest event, or whole body, that is taken in. Images and sound come within JSON.
const LONGEST_PIECE: usize = 32 << 20;
/// No streamed reply is longer than this, however small its events are.
const LONGEST_STREAM: usize = 256 << 20;
/// How many characters of an answer that is not understood are shown.
const LONGEST_SNIPPET: usize = 300;
/// How long the end of a body is waited for when all that matters has come.
const LONGEST_FAREWELL: Duration = Duration::from_millis(20);

/// What a vendor's events mean.
pub(crate) trait Decode: Send + 'static {
    /// The parts of the reply that are in the data of an event.
    fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError>;

    /// Whether the reply is whole: nothing after that is looked at.
    fn is_over(&self) -> bool;

    /// What the end of the body means, where the reply was not whole by then.
    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        Err(ProviderError::new(
            ProviderErrorKind::TruncatedStream,
            "the reply broke off before its end",
        ))
    }
}

/// The media types that servers answer with. Errors name no other: it could quote a key.
const MEDIA_TYPES: [&str; 9] = [
    "application/json",
    "application/octet-stream",
    "application/vnd.amazon.eventstream",
    "application/x-ndjson",
    "application/xml",
    "text/event-stream",
    "text/html",
    "text/plain",
    "text/xml",
];

/// The media type of a response, without its parameters; `unknown` where it is none of those that
/// servers answer with.
pub(crate) fn content_type(response: &Response) -> &'static str {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = value.split(';').next().unwrap_or_default().trim();
    let known = MEDIA_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(told));
    known.unwrap_or("unknown")
}

/// Reads a complete body of at most `limit` bytes.
pub(crate) async fn read_body(
    response: &mut Response,
    limit: usize,
) -> Result<Vec<u8>, ProviderError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or_default().min(limit));
    while let Some(chunk) = response.chunk().await.map_err(|error| broken_off(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(malformed(&format!("a piece of it is longer than {} MiB", limit >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The whole body, as JSON.
pub(crate) async fn json(mut response: Response) -> Result<Value, ProviderError> {
    let kind = content_type(&response);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken_off(&error))? {
        if body.len() + chunk.len() > LONGEST_PIECE {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    // Some write a mark of the byte order, which JSON should not begin with.
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
    serde_json::from_slice(text).map_err(|error| {
        // serde's message tells the place, never the text.
        malformed(&format!("it is no JSON ({error}; content type `{kind}`)"))
    })
}

/// The events of a reply, as they arrive.
pub(crate) fn events<D: Decode>(
    response: Response,
    decoder: D,
) -> impl Stream<Item = Result<CompletionEvent, ProviderError>> + Send {
    let unread = Arc::new(Mutex::new(Unread::default()));
    let incoming = SseByteStream::new(body(response, Arc::clone(&unread)));
    let state = (Box::pin(incoming), decoder, VecDeque::new(), unread);
    futures_util::stream::try_unfold(
        state,
        |(mut incoming, mut decoder, mut ready, unread)| async move {
            loop {
                if let Some(event) = ready.pop_front() {
                    return Ok(Some((event, (incoming, decoder, ready, unread))));
                }
                if decoder.is_over() {
                    return Ok(None);
                }
                match incoming.next().await {
                    Some(Ok(event)) => {
                        lock(&unread).length = 0;
                        // Some keep a connection alive by events that say nothing.
                        if let Some(data) = event.data.filter(|data| !data.trim().is_empty()) {
                            ready.extend(decoder.event(&data)?);
                            if decoder.is_over() {
                                // Now: who has the last event need not ask again.
                                see_off(&mut incoming).await;
                            }
                        }
                    }
                    Some(Err(sse_stream::Error::Body(error))) => {
                        return Err(match error.downcast::<BodyError>() {
                            Ok(error) => error.into(),
                            Err(error) => malformed(&error.to_string()),
                        });
                    }
                    Some(Err(error)) => return Err(malformed(&error.to_string())),
                    None => {
                        // A server that fails on the way may say so in no event.
                        let bare = lock(&unread).bare_json();
                        if let Some(bare) = bare {
                            ready.extend(decoder.event(&bare)?);
                        }
                        if !decoder.is_over() {
                            ready.extend(decoder.end()?);
                        }
                        if ready.is_empty() {
                            return Ok(None);
                        }
                    }
                }
            }
        },
    )
}

/// What of a body has not become an event yet.
#[derive(Default)]
struct Unread {
    /// How many bytes have come since the last event was taken.
    length: usize,
    /// The lines since the last blank one, with which an event ends, wherever the pieces are cut.
    /// No more is kept of them than an error may have.
    tail: Vec<u8>,
    /// Whether the line that ends next is no blank one.
    line_has_begun: bool,
    /// Whether a blank line came last, so that the next byte begins a new tail.
    after_blank: bool,
    /// Whether the last byte was a carriage return: a line feed now is the same end of a line.
    after_return: bool,
}

impl Unread {
    fn add(&mut self, piece: &[u8]) {
        self.length += piece.len();
        for byte in piece {
            let ends_return = *byte == b'\n' && self.after_return;
            self.after_return = *byte == b'\r';
            if ends_return {
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                self.after_blank |= !self.line_has_begun;
                self.line_has_begun = false;
                self.tail.push(b'\n');
            } else {
                if std::mem::take(&mut self.after_blank) {
                    self.tail.clear();
                }
                self.line_has_begun = true;
                self.tail.push(*byte);
            }
        }
        self.tail.truncate(LONGEST_REFUSAL);
    }

    /// What stands at the end without the form of an event, where it is JSON.
    fn bare_json(&mut self) -> Option<String> {
        let bare = String::from_utf8(std::mem::take(&mut self.tail)).ok()?;
        let is_json =
            bare.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(&bare).is_ok();
        is_json.then_some(bare)
    }
}

fn lock(unread: &Mutex<Unread>) -> MutexGuard<'_, Unread> {
    unread.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of a response, piece by piece, as long as no event in it is too long, nor all of it. Who
/// takes an event sets the count back.
fn body(
    response: Response,
    unread: Arc<Mutex<Unread>>,
) -> impl Stream<Item = Result<impl bytes::Buf, BodyError>> + Send {
    let state = (response, unread, 0);
    futures_util::stream::try_unfold(state, |(mut response, unread, before)| async move {
        let Some(chunk) = response.chunk().await? else { return Ok(None) };
        let whole = chunk.len().saturating_add(before);
        if whole > LONGEST_STREAM {
            return Err(BodyError::Endless);
        }
        let mut waits = lock(&unread);
        waits.add(&chunk);
        let is_long = waits.length > LONGEST_PIECE;
        drop(waits);
        if is_long {
            return Err(BodyError::TooLong);
        }
        Ok(Some((chunk, (response, unread, whole))))
    })
}

/// Why a body could not be read to its end.
#[derive(Debug)]
enum BodyError {
    Broken(reqwest::Error),
    TooLong,
    Endless,
}

impl From<reqwest::Error> for BodyError {
    fn from(error: reqwest::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Box<BodyError>> for ProviderError {
    fn from(error: Box<BodyError>) -> Self {
        match *error {
            BodyError::Broken(error) => broken_off(&error),
            BodyError::TooLong => too_long(),
            BodyError::Endless => {
                malformed(&format!("it is longer than {} MiB", LONGEST_STREAM >> 20))
            }
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken(_) => "the body broke off",
            Self::TooLong | Self::Endless => "the body is too long",
        })
    }
}

impl std::error::Error for BodyError {}

/// Reads what is left of a body that has said all, if it comes at once: a connection serves the
/// next request only when the body has been read to its end.
pub(crate) async fn see_off<T, E>(mut rest: impl Stream<Item = Result<T, E>> + Unpin) {
    let end = async { while let Some(Ok(_)) = rest.next().await {} };
    // Where it does not end in time, the next request makes a connection of its own.
    let _ = tokio::time::timeout(LONGEST_FAREWELL, end).await;
}

/// The failure of a body that was being read.
pub(crate) fn broken_off(error: &reqwest::Error) -> ProviderError {
    if error.is_timeout() {
        ProviderError::new(ProviderErrorKind::Timeout, "the reply stalled: no more bytes in time")
    } else {
        ProviderError::new(
            ProviderErrorKind::TruncatedStream,
            format!("the reply broke off before its end: {}", root_cause(error)),
        )
    }
}

fn too_long() -> ProviderError {
    malformed(&format!("a piece of it is longer than {} MiB", LONGEST_PIECE >> 20))
}

/// A reply that is not what the protocol says.
pub(crate) fn malformed(why: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::MalformedReply,
        format!("the server's reply is not what the protocol says: {why}"),
    )
}

/// The beginning of what a server said in no form that is known, on one line.
pub(crate) fn snippet(body: &str) -> String {
    let text = one_line(body);
    if text.is_empty() {
        return "the server gave no reason".to_owned();
    }
    format!("the server answered: {text}")
}

/// The beginning of a text, on one line and without signs that a terminal obeys.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(LONGEST_SNIPPET).collect()
}
