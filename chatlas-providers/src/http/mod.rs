//! HTTP as every provider uses it: one place for timeouts, retries, headers, keys and spans.

mod endpoint;
mod reply;
mod retry;
mod secret;
mod span;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use futures_util::{Stream, StreamExt as _};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Request, Response, Url};

pub(crate) use endpoint::{Call, Endpoint, KeyIn, settings, variable, without_key};
pub(crate) use reply::{Decode, content_type, events, json, malformed};
pub(crate) use secret::{Secret, Secrets};
use span::AttemptSpan;

/// How much of an answer of failure is read.
const LONGEST_REFUSAL: usize = 64 * 1024;
/// How long the end of a body is waited for when all that matters has come.
const LONGEST_FAREWELL: Duration = Duration::from_millis(20);

/// How a provider speaks HTTP. The defaults serve most programs.
#[derive(Clone)]
#[must_use]
pub struct HttpOptions {
    connect_timeout: Duration,
    read_timeout: Duration,
    max_retries: u32,
    spans: bool,
    headers: Vec<(String, Secret)>,
    client: Option<Client>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_mins(2),
            max_retries: 2,
            spans: false,
            headers: Vec::new(),
            client: None,
        }
    }
}

impl HttpOptions {
    /// How long to wait for a connection: 10 seconds unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long to wait for the next bytes of a reply: 2 minutes unless set.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How often a failed attempt is repeated: twice unless set. Only what may pass is repeated:
    /// a refused connection, and the statuses 408, 409, 429, 500, 502, 503, 504 and 529.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Whether each attempt has a span of its own, below the `chat` span: off unless set. Leave it
    /// off where the client that is set brings its own.
    pub fn spans(mut self, on: bool) -> Self {
        self.spans = on;
        self
    }

    /// Sends a header with every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Uses that client. Its own timeouts and redirects hold then, not those set here.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }
}

impl fmt::Debug for HttpOptions {
    /// Of a client that was set, nothing is shown: it may hold headers with keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("max_retries", &self.max_retries)
            .field("spans", &self.spans)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Sends a provider's requests.
struct Http {
    options: HttpOptions,
    client: OnceLock<Result<Client, ProviderError>>,
}

impl Http {
    fn new(options: HttpOptions) -> Self {
        Self { options, client: OnceLock::new() }
    }

    /// The settings, with which another one can be made.
    fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Whether the program brought a client, with whatever TLS that has.
    fn brings_client(&self) -> bool {
        self.options.client.is_some()
    }

    /// What no error may show.
    fn secrets(&self, key: Option<&Secret>) -> Secrets {
        Secrets::new(key, self.options.headers.iter().map(|(_, value)| value))
    }

    /// Sends it until it is answered with success, fails for good, or has been tried enough.
    async fn send(
        &self,
        call: Call<'_>,
        secrets: &Secrets,
        explain: impl Fn(u16, &HeaderMap, &str) -> ProviderError + Send + Sync,
    ) -> Result<Response, ProviderError> {
        let client = self.client()?;
        let headers = self.headers(&call)?;
        let mut attempt = 0;
        loop {
            let mut request = Request::new(call.method.clone(), call.url.clone());
            *request.headers_mut() = headers.clone();
            *request.body_mut() = call.body.clone().map(Into::into);
            if let Some(sign) = call.sign {
                sign(&mut request)?;
            }
            let error = match self.attempt(client, request, attempt).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => secrets.hide(refused(response, &explain).await),
                Err(error) => error,
            };
            let wait = (attempt < self.options.max_retries)
                .then(|| retry::wait_before(attempt + 1, &error))
                .flatten();
            let Some(wait) = wait else { return Err(error) };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        client: &Client,
        request: Request,
        attempt: u32,
    ) -> Result<Response, ProviderError> {
        let span = self.options.spans.then(|| AttemptSpan::start(&request, attempt));
        let url = request.url().clone();
        let result = client.execute(request).await;
        if let Some(span) = span {
            span.finish(&result);
        }
        result.map_err(|error| unanswered(&error, &url))
    }

    fn client(&self) -> Result<&Client, ProviderError> {
        self.client
            .get_or_init(|| match &self.options.client {
                Some(client) => Ok(client.clone()),
                None => build_client(&self.options),
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    fn headers(&self, call: &Call<'_>) -> Result<HeaderMap, ProviderError> {
        let mut map = call.headers.clone();
        if call.body.is_some() {
            map.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some((place, key)) = call.key {
            let (name, value) = match place {
                KeyIn::Bearer => (AUTHORIZATION, sensitive(&format!("Bearer {}", key.expose()))),
                KeyIn::Header(name) => (HeaderName::from_static(name), sensitive(key.expose())),
            };
            let value = value.ok_or_else(|| {
                ProviderError::new(
                    ProviderErrorKind::Authentication,
                    "the API key holds signs that no HTTP header can carry: \
                     was a line break copied with it?",
                )
            })?;
            map.insert(name, value);
        }
        for (name, value) in &self.options.headers {
            let name_parsed = HeaderName::try_from(name.as_str()).ok();
            let (Some(name), Some(value)) = (name_parsed, sensitive(value.expose())) else {
                return Err(ProviderError::new(
                    ProviderErrorKind::InvalidRequest,
                    format!("the header `{name}` that was set is no valid HTTP header"),
                ));
            };
            map.insert(name, value);
        }
        Ok(map)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Makes sure that rustls has a cryptography provider, where this build has TLS: ring, unless the
/// program has chosen another. Providers do so themselves; it is here for other clients.
pub fn prepare_tls() {
    #[cfg(feature = "rustls-ring")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster: then there is one, and that is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn build_client(options: &HttpOptions) -> Result<Client, ProviderError> {
    prepare_tls();
    Client::builder()
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        // A key is for the host it was given for.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| {
            let why = error.without_url();
            ProviderError::new(
                ProviderErrorKind::Other,
                format!("the HTTP client could not be made: {why}"),
            )
        })
}

/// An answer that is none of success.
async fn refused(
    response: Response,
    explain: &(impl Fn(u16, &HeaderMap, &str) -> ProviderError + Send + Sync),
) -> ProviderError {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = beginning(response).await;
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

/// As much of a body as an error may want to tell of.
async fn beginning(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < LONGEST_REFUSAL {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(LONGEST_REFUSAL);
    String::from_utf8_lossy(&body).into_owned()
}

/// No answer at all.
fn unanswered(error: &reqwest::Error, url: &Url) -> ProviderError {
    let host = place(url);
    if error.is_timeout() {
        let message = format!("{host} did not answer in time");
        return ProviderError::new(ProviderErrorKind::Timeout, message);
    }
    if error.is_builder() {
        return ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("the request to {host} could not be made: {}", root_cause(error)),
        );
    }
    ProviderError::new(
        ProviderErrorKind::Connection,
        format!("cannot reach {host}: {}; check the base URL and the network", root_cause(error)),
    )
}

/// The body of a response, piece by piece.
pub(crate) fn body(
    response: Response,
) -> impl Stream<Item = Result<impl bytes::Buf, reqwest::Error>> + Send {
    futures_util::stream::try_unfold(response, |mut response| async move {
        Ok(response.chunk().await?.map(|chunk| (chunk, response)))
    })
}

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

/// The innermost error: the ones around it name the URL, which may hold a key.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut depth = 0;
    while let Some(source) = cause.source() {
        cause = source;
        depth += 1;
    }
    if depth == 0 { "the request failed".to_owned() } else { cause.to_string() }
}

/// Host and port, without anything that may be secret.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the server");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
