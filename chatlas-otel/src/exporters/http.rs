//! Exporters over HTTP: their client, and what the response of a receiver means.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Compression, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT};

use crate::error::SetupError;
use crate::losses::{Account, CountedExporter};
use crate::otlp::{Protocol, Target};

/// Builds an exporter with its own client.
///
/// The client is passed explicitly: if another crate of the build enables the exporter's
/// asynchronous client, the SDK's export thread would panic for lack of a runtime. It is built on a
/// separate thread, because a blocking client cannot be built inside a runtime.
pub(super) fn build<E: Send + 'static>(
    target: Target,
    account: &Arc<Account>,
    build: impl FnOnce(Client, &Target) -> Result<E, SetupError> + Send + 'static,
) -> Result<CountedExporter<E>, SetupError> {
    let client_account = Arc::clone(account);
    let thread = thread::spawn(move || build(Client::new(&target, client_account)?, &target));
    match thread.join() {
        Ok(exporter) => Ok(CountedExporter::new(exporter?, account)),
        Err(_) => {
            Err(SetupError::exporter(std::io::Error::other("the thread that builds it panicked")))
        }
    }
}

/// Applies a target to the builder of an exporter.
pub(super) fn configure<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    client: Client,
    target: &Target,
) -> B {
    let protocol = match target.protocol {
        Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
        Protocol::HttpProtobuf | Protocol::Grpc => opentelemetry_otlp::Protocol::HttpBinary,
    };
    let builder = builder
        .with_http_client(client)
        .with_protocol(protocol)
        .with_endpoint(target.endpoint.as_str())
        .with_timeout(target.timeout);
    if target.gzip { builder.with_compression(Compression::Gzip) } else { builder }
}

/// Sends requests with the headers of the target only. The exporter adds the headers of the
/// environment, which may belong to another receiver.
#[derive(Debug)]
pub(super) struct Client {
    blocking: reqwest::blocking::Client,
    headers: HeaderMap,
    account: Arc<Account>,
}

impl Client {
    fn new(target: &Target, account: Arc<Account>) -> Result<Self, SetupError> {
        let builder = reqwest::blocking::Client::builder()
            .timeout(target.timeout)
            // A redirect would send the credentials in the headers to another host.
            .redirect(reqwest::redirect::Policy::none());
        #[cfg(feature = "_tls")]
        let builder = builder.tls_backend_preconfigured(super::tls::client_config(&target.tls)?);
        let blocking =
            builder.build().map_err(|error| SetupError::exporter(error.without_url()))?;
        Ok(Self { blocking, headers: target.headers.clone(), account })
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut headers = HeaderMap::new();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT] {
            if let Some(value) = request.headers_mut().remove(&name) {
                headers.insert(name, value);
            }
        }
        headers.extend(self.headers.clone());
        *request.headers_mut() = headers;
        let response = match self.blocking.send_bytes(request).await {
            Ok(response) => response,
            Err(error) => {
                self.account.set_network_error(root_cause(&*error));
                return Err(error);
            }
        };
        if response.status().is_success()
            && let Some((count, reason)) = rejected_items(response.headers(), response.body())
        {
            self.account.count_rejected(count, &reason);
        }
        Ok(response)
    }
}

/// Returns the innermost source of an error, such as a refused connection or an unknown
/// certificate. The outer errors contain the URL, which may contain a secret.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let root = std::iter::successors(error.source(), |cause| cause.source()).last();
    root.map_or_else(|| "no response was received".to_owned(), ToString::to_string)
}

/// Returns how many items a receiver rejected of an export that it accepted, and its reason. In
/// protobuf, the response has the same form for all signals.
fn rejected_items(headers: &HeaderMap, body: &[u8]) -> Option<(u64, String)> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|content_type| content_type.to_str().ok())
        .is_some_and(|content_type| content_type.starts_with("application/json"));
    let (count, reason) = if is_json {
        let response: serde_json::Value = serde_json::from_slice(body).ok()?;
        let partial = &response["partialSuccess"];
        // The JSON mapping of protobuf encodes 64-bit integers as strings.
        let integer = |value: &serde_json::Value| {
            value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        };
        let count = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]
            .into_iter()
            .find_map(|name| integer(&partial[name]))?;
        (count, partial["errorMessage"].as_str().unwrap_or_default().to_owned())
    } else {
        let partial = ExportTraceServiceResponse::decode(body).ok()?.partial_success?;
        (partial.rejected_spans, partial.error_message)
    };
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    Some((count, if reason.is_empty() { "no reason was given".to_owned() } else { reason }))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn rejected_items_are_read_from_the_response() {
        let partial =
            ExportTracePartialSuccess { rejected_spans: 3, error_message: "too\nold".to_owned() };
        let response = ExportTraceServiceResponse { partial_success: Some(partial) };
        let none = HeaderMap::new();
        let expected = Some((3, "tooold".to_owned()));
        assert_eq!(rejected_items(&none, &response.encode_to_vec()), expected);
        assert_eq!(rejected_items(&none, b""), None);
        assert_eq!(rejected_items(&none, b"<html>"), None);
        let mut json = HeaderMap::new();
        json.insert(CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap());
        let body = br#"{"partialSuccess": {"rejectedLogRecords": "2"}}"#;
        assert_eq!(rejected_items(&json, body), Some((2, "no reason was given".to_owned())));
        let body = br#"{"partialSuccess": {"rejectedSpans": 0}}"#;
        assert_eq!(rejected_items(&json, body), None);
        assert_eq!(rejected_items(&json, b"{}"), None);
    }
}
