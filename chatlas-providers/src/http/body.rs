//! Reads bodies, and describes those that cannot be read.

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::Response;

use super::failure::root_cause;

/// The maximum number of characters of a body that an error quotes.
const MAX_SNIPPET: usize = 300;

/// The media types of servers. Errors name no other, since it could quote a key.
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

/// The beginning of the message about a reply that cannot be read. The client replaces it by the name
/// of the vendor.
pub(crate) const REPLY: &str = "the server's reply";

/// Returns the media type of a response without its parameters; `unknown` if it is not in the list.
pub(crate) fn content_type(response: &Response) -> &'static str {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    let known = MEDIA_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(media_type));
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

/// Returns the error of a body that broke off while it was read.
pub(crate) fn broken_off(error: &reqwest::Error) -> ProviderError {
    if error.is_timeout() {
        ProviderError::new(
            ProviderErrorKind::Timeout,
            "the reply stalled: no data arrived before the read timeout",
        )
    } else {
        ProviderError::new(
            ProviderErrorKind::TruncatedStream,
            format!("the reply broke off before its end: {}", root_cause(error)),
        )
    }
}

/// Returns the error of a reply that does not follow the protocol.
pub(crate) fn malformed(why: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::MalformedReply,
        format!("{REPLY} does not follow the protocol: {why}"),
    )
}

/// Returns the beginning of a body of an unknown form, on one line.
pub(crate) fn snippet(body: &str) -> String {
    let text = one_line(body);
    if text.is_empty() {
        return "the server gave no reason".to_owned();
    }
    if let Some(page) = html_title(body) {
        return format!("the server answered with {page}");
    }
    format!("the server answered: {text}")
}

/// Returns a description of an HTML page by its title; `None` if the body is not an HTML page.
/// Gateways and proxies answer with pages.
pub(crate) fn html_title(body: &str) -> Option<String> {
    let lower = body.to_ascii_lowercase();
    let start = lower.trim_start();
    if !start.starts_with("<!doctype html") && !start.starts_with("<html") {
        return None;
    }
    let between = |open: &str, close: &str| {
        let start = lower.find(open)? + open.len();
        let end = start + lower.get(start..)?.find(close)?;
        // ASCII letters have the same length in lower case.
        Some(one_line(body.get(start..end)?)).filter(|title| !title.is_empty())
    };
    let title = between("<title>", "</title>").or_else(|| between("<h1>", "</h1>"));
    Some(title.map_or_else(|| "an HTML page".to_owned(), |title| format!("the HTML page: {title}")))
}

/// Returns the beginning of a text, on one line and without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_SNIPPET).collect()
}
