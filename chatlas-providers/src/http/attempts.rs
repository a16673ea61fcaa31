//! The attempts at a request: sent, repeated while that may help, and explained when it fails.

use std::time::Duration;

use bytes::Bytes;
use chatlas_core::{ProviderError, ProviderErrorKind};
use opentelemetry::{Context, global};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use tokio::time::timeout;

use super::deadline::before;
use super::runtime::in_runtime;
use super::sender::Sender;
use super::span::AttemptSpan;
use super::url::user_to_header;
use super::{Deadline, HttpOptions, Secrets, retry};

/// The maximum length of a failure's body that is read.
const MAX_ERROR_BODY: usize = 64 << 10;
/// The maximum time to read it. The status alone is enough for an error.
const MAX_ERROR_WAIT: Duration = Duration::from_secs(10);

/// Signs requests with credentials that have been loaded.
pub trait Signer: Send + Sync {
    /// Adds the signature to the headers of an attempt.
    ///
    /// # Errors
    ///
    /// The request cannot be signed.
    fn sign(&self, request: &mut Request) -> Result<(), ProviderError>;

    /// Returns the strings that no error message may contain.
    fn secrets(&self) -> Vec<&str>;

    /// Is called with the error of a request that was signed.
    fn rejected(&self, error: &ProviderError) {
        let _ = error;
    }
}

/// A request that is sent until it succeeds or fails permanently.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) signer: Option<&'a dyn Signer>,
    pub(crate) deadline: Option<Deadline>,
}

/// Makes an error of the status, the headers and the body of a response.
pub(crate) type Explain<'a> = &'a (dyn Fn(u16, &HeaderMap, &str) -> ProviderError + Send + Sync);

/// Sends a request until it is answered with success, fails permanently, or has been repeated often
/// enough. The error contains no secret.
pub(crate) async fn send(
    options: &HttpOptions,
    sender: &Sender,
    outgoing: Outgoing<'_>,
    secrets: &Secrets,
    explain: Explain<'_>,
) -> Result<Response, ProviderError> {
    let Outgoing { method, mut url, mut headers, body, signer, deadline } = outgoing;
    user_to_header(&mut url, &mut headers);
    let mut attempt = 0;
    loop {
        let mut request = Request::new(method.clone(), url.clone());
        *request.headers_mut() = headers.clone();
        *request.body_mut() = body.clone().map(Into::into);
        let span = options.spans.then(|| AttemptSpan::start(&request, attempt));
        if options.propagate {
            propagate(span.as_ref(), request.headers_mut());
        }
        if let Some(signer) = signer {
            signer.sign(&mut request)?;
        }
        let result = before(deadline, sender.execute(request)).await;
        let result = result.unwrap_or_else(|late| Err(late.into()));
        if let Some(span) = span {
            span.finish(&result);
        }
        let (error, may_pass) = match result {
            Ok(response) if response.status().is_success() => return sender.readable(response),
            Ok(response) => {
                let may_pass = retry::should_retry(response.headers());
                // Failures are rare: without the box, every request would have room for them.
                let error = Box::pin(refused(response, secrets, explain)).await;
                let may_pass = may_pass.unwrap_or_else(|| retry::may_pass(&error));
                (error, may_pass)
            }
            Err(trouble) => {
                let error = trouble.at(&url);
                let may_pass = trouble.may_pass() && retry::may_pass(&error);
                (error, may_pass)
            }
        };
        let error = secrets.hide(error);
        let wait = (may_pass && attempt < options.max_retries)
            .then(|| retry::wait_before(attempt + 1, &error))
            .flatten();
        // The error explains more than a timeout would.
        let wait = wait.filter(|wait| !deadline.is_some_and(|end| end.is_within(*wait)));
        let Some(wait) = wait else { return Err(error) };
        // A function that sends requests needs no tokio runtime, so that there may be no timer.
        if in_runtime(async { tokio::time::sleep(wait).await }).await.is_err() {
            return Err(error);
        }
        attempt += 1;
    }
}

/// The error of a response with a failure status.
async fn refused(response: Response, secrets: &Secrets, explain: Explain<'_>) -> ProviderError {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = secrets.hide_in_body(&beginning(response).await);
    let error = if (300..400).contains(&status) {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            "the server answered with a redirect, which is not followed; check the base URL",
        )
        .with_status(status)
    } else {
        explain(status, &headers, &body)
    };
    match retry::retry_after(&headers) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// The beginning of a failure's body, as far as it arrives in time.
async fn beginning(mut response: Response) -> String {
    let mut body = Vec::new();
    let read = async { timeout(MAX_ERROR_WAIT, read_beginning(&mut response, &mut body)).await };
    // A function that sends requests needs no tokio runtime, so that there may be no timer.
    if in_runtime(read).await.is_err() {
        read_beginning(&mut response, &mut body).await;
    }
    body.truncate(MAX_ERROR_BODY);
    String::from_utf8_lossy(&body).into_owned()
}

async fn read_beginning(response: &mut Response, body: &mut Vec<u8>) {
    while body.len() < MAX_ERROR_BODY {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
}

/// Adds the trace context to the headers: the span of the attempt, else the current one.
fn propagate(span: Option<&AttemptSpan>, headers: &mut HeaderMap) {
    let context = Context::current();
    let context = span.map_or_else(|| context.clone(), |span| span.context_in(&context));
    let mut carrier = std::collections::HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut carrier);
    });
    for (name, value) in carrier {
        // Not every propagator is for HTTP: what no header can carry is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}
