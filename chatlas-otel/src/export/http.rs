//! Sends requests over HTTP, and interprets the responses of a receiver.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::failure::{Failure, Rejected};
use crate::error::SetupError;
use crate::otlp::{Protocol, Target};

/// The maximum number of bytes that are read of a response.
const MAX_RESPONSE: usize = 64 * 1024;

/// The receiver of one signal.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    url: Url,
    headers: HeaderMap,
    pub(super) json: bool,
    gzip: bool,
}

impl Http {
    pub(super) fn new(target: &Target) -> Result<Self, SetupError> {
        let json = target.protocol == Protocol::HttpJson;
        let mut headers = HeaderMap::new();
        let content_type = if json { "application/json" } else { "application/x-protobuf" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if target.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.extend(target.headers.clone());
        let builder = Client::builder()
            .user_agent(concat!("chatlas-otel/", env!("CARGO_PKG_VERSION")))
            // The headers are for this receiver only.
            .redirect(Policy::none());
        #[cfg(feature = "_tls")]
        let builder = match super::tls::client_config(&target.tls) {
            Ok(config) => builder.tls_backend_preconfigured(config),
            // A machine without certificates can still send over plain HTTP.
            Err(_) if target.endpoint.scheme() == "http" && target.tls.is_empty() => {
                builder.tls_backend_preconfigured(super::tls::without_authorities()?)
            }
            Err(error) => return Err(error),
        };
        let client = builder.build().map_err(|error| SetupError::exporter(error.without_url()))?;
        Ok(Self { client, url: target.endpoint.clone(), headers, json, gzip: target.gzip })
    }

    /// Compresses an encoded request if the target requires it.
    pub(super) fn compress(&self, body: Vec<u8>) -> Vec<u8> {
        if !self.gzip {
            return body;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let _ = encoder.write_all(&body);
        encoder.finish().unwrap_or_default()
    }

    /// Sends a request once.
    pub(super) async fn send(&self, body: Bytes) -> Result<Option<Rejected>, Failure> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let response = request
            .send()
            .await
            .map_err(|error| Failure::Transient { reason: root_cause(&error), after: None })?;
        let status = response.status();
        if status.is_success() {
            let headers = response.headers().clone();
            return Ok(rejected_items(&headers, &beginning(response).await));
        }
        let reason = format!("the receiver answered with the HTTP status {}", status.as_u16());
        Err(match status {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge { reason },
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Failure::Transient { reason, after: retry_after(response.headers()) }
            }
            _ => Failure::Permanent { reason },
        })
    }
}

/// Returns the delay in `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MAX_RESPONSE
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body
}

/// Returns the innermost source of an error, such as a refused connection or an unknown
/// certificate. The outer errors contain the URL, which may contain a secret.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let root = std::iter::successors(error.source(), |cause| cause.source()).last();
    root.map_or_else(|| "no response was received".to_owned(), ToString::to_string)
}

/// Returns the items that a receiver rejected of a request that it accepted. In protobuf, the
/// response has the same form for all signals.
fn rejected_items(headers: &HeaderMap, body: &[u8]) -> Option<Rejected> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|content_type| content_type.to_str().ok())
        .is_some_and(|content_type| content_type.starts_with("application/json"));
    if !is_json {
        return Rejected::from_response(ExportTraceServiceResponse::decode(body).ok()?);
    }
    let response: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = &response["partialSuccess"];
    // The JSON mapping of protobuf encodes 64-bit integers as strings.
    let integer = |value: &serde_json::Value| {
        value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
    };
    let count = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]
        .into_iter()
        .find_map(|name| integer(&partial[name]))?;
    Rejected::new(count, partial["errorMessage"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn rejected_items_are_read_from_the_response() {
        let rejected = |headers: &HeaderMap, body: &[u8]| {
            rejected_items(headers, body).map(|rejected| (rejected.count, rejected.reason))
        };
        let partial =
            ExportTracePartialSuccess { rejected_spans: 3, error_message: "too\nold".to_owned() };
        let response = ExportTraceServiceResponse { partial_success: Some(partial) };
        let none = HeaderMap::new();
        let expected = Some((3, "the receiver rejected them: tooold".to_owned()));
        assert_eq!(rejected(&none, &response.encode_to_vec()), expected);
        assert_eq!(rejected(&none, b""), None);
        assert_eq!(rejected(&none, b"<html>"), None);
        let mut json = HeaderMap::new();
        json.insert(CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap());
        let body = br#"{"partialSuccess": {"rejectedLogRecords": "2"}}"#;
        let expected = Some((2, "the receiver rejected them: no reason was given".to_owned()));
        assert_eq!(rejected(&json, body), expected);
        let body = br#"{"partialSuccess": {"rejectedSpans": 0}}"#;
        assert_eq!(rejected(&json, body), None);
        assert_eq!(rejected(&json, b"{}"), None);
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("2"), Some(Duration::from_secs(2)));
        let later = SystemTime::now() + Duration::from_secs(60);
        let delay = read(&httpdate::fmt_http_date(later)).unwrap();
        assert!((50..=60).contains(&delay.as_secs()), "{delay:?}");
        assert_eq!(read("Sat, 01 Jan 2000 00:00:00 GMT"), None);
        assert_eq!(read("soon"), None);
    }
}
