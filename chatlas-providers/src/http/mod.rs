//! HTTP as every provider uses it: one place for timeouts, retries, headers, keys and spans.

#[cfg(feature = "_completions")]
mod api;
mod attempts;
mod client;
mod endpoint;
mod reply;
mod retry;
mod secret;
mod span;
mod token;

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chatlas_core::{ProviderError, ProviderErrorKind};
use opentelemetry::{Context, global};
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Request, Response, Url};

pub(crate) use crate::client::KeyIn;
#[cfg(feature = "_completions")]
pub(crate) use api::{Api, KeyNeeded};
pub(crate) use attempts::{Outgoing, send};
pub(crate) use client::Sender;
pub(crate) use endpoint::{Call, Endpoint, settings, variable, without_key};
#[cfg(feature = "_completions")]
pub(crate) use reply::one_line;
#[cfg(feature = "bedrock")]
pub(crate) use reply::see_off;
pub(crate) use reply::{
    Decode, broken_off, content_type, events, json, malformed, read_body, snippet,
};
pub(crate) use secret::{Secret, Secrets};
use span::AttemptSpan;
pub(crate) use span::is_secret_parameter;
pub use token::BearerToken;
pub(crate) use token::Tokens;

/// Whether this build has TLS.
pub(crate) const HAS_TLS: bool = cfg!(feature = "rustls-ring");

/// How much of an answer of failure is read.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// How a provider speaks HTTP. The defaults serve most programs.
///
/// ```
/// use std::time::Duration;
///
/// use chatlas_providers::http::HttpOptions;
///
/// let patient = HttpOptions::default()
///     .with_read_timeout(Duration::from_mins(10))
///     .with_max_retries(5)
///     .with_spans(true);
/// # #[cfg(feature = "openai")]
/// let model = chatlas_providers::openai::OpenAi::new("o3").http(patient);
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpOptions {
    connect_timeout: Duration,
    read_timeout: Duration,
    max_retries: u32,
    spans: bool,
    propagate: bool,
    headers: Vec<(String, Secret)>,
    sender: Option<Sender>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_mins(2),
            max_retries: 2,
            spans: false,
            propagate: false,
            headers: Vec::new(),
            sender: None,
        }
    }
}

impl HttpOptions {
    /// How long to wait for a connection: 10 seconds unless set.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long to wait for the next bytes of a reply: 2 minutes unless set.
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How often a failed attempt is repeated: twice unless set. Only what may pass is repeated:
    /// a refused connection, and the statuses 408, 409, 429, 500, 502, 503, 504 and 529.
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Whether each attempt has a span of its own, below the `chat` span: off unless set. Leave it
    /// off where the client that is set brings its own.
    pub fn with_spans(mut self, on: bool) -> Self {
        self.spans = on;
        self
    }

    /// Whether each request carries the trace along (a `traceparent` header, as the program's
    /// global propagator writes it): off unless set. Turn it on where the server is one of your
    /// own, a gateway for example; it is nothing that a vendor needs to know.
    pub fn with_propagation(mut self, on: bool) -> Self {
        self.propagate = on;
        self
    }

    /// Sends a header with every request.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Uses that client. Its own timeouts and redirects hold then, not those set here. Let it follow
    /// none (`reqwest::redirect::Policy::none()`): the headers in which some vendors want their key
    /// would go along to any host.
    pub fn with_client(mut self, client: Client) -> Self {
        self.sender = Some(Sender::Client(client));
        self
    }

    /// Sends requests by that function: a client with middleware, a proxy of the program's own.
    /// Its own timeouts and redirects hold then, not those set here; retries are made on top of
    /// it. It runs inside the span of the operation, so its own spans are children of that.
    ///
    /// ```
    /// use chatlas_providers::http::HttpOptions;
    ///
    /// # chatlas_providers::http::prepare_tls();
    /// let client = reqwest::Client::new();
    /// let options = HttpOptions::default().with_sender(move |request| {
    ///     let client = client.clone();
    ///     async move { client.execute(request).await }
    /// });
    /// ```
    pub fn with_sender<F, Fut, E>(mut self, send: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.sender = Some(Sender::of(send));
        self
    }
}

impl HttpOptions {
    pub(crate) fn headers(&self) -> &[(String, Secret)] {
        &self.headers
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name))
    }

    /// Whether the program brings the client, with whatever TLS that has.
    pub(crate) fn has_sender(&self) -> bool {
        self.sender.is_some()
    }

    /// The client that sends requests: the program's, or a shared one.
    pub(crate) fn sender(&self) -> Result<Sender, ProviderError> {
        match &self.sender {
            Some(sender) => Ok(sender.clone()),
            None => client::shared(self).map(Sender::Client),
        }
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
            .field("propagate", &self.propagate)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Returns the client of requests that are not a provider's, such as those for credentials, with
/// the default timeouts where none are given.
#[cfg(feature = "bedrock-aws-config")]
pub(crate) fn client_with(
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
) -> Result<Client, ProviderError> {
    let mut options = HttpOptions::default();
    options.connect_timeout = connect_timeout.unwrap_or(options.connect_timeout);
    options.read_timeout = read_timeout.unwrap_or(options.read_timeout);
    client::shared(&options)
}

/// Sends a provider's requests.
#[derive(Clone)]
struct Http {
    options: HttpOptions,
    sender: OnceLock<Result<Sender, ProviderError>>,
}

impl Http {
    fn new(options: HttpOptions) -> Self {
        Self { options, sender: OnceLock::new() }
    }

    /// The settings, with which another one can be made.
    fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Whether the program brought a client, with whatever TLS that has.
    fn brings_client(&self) -> bool {
        self.options.sender.is_some()
    }

    /// What no error may show: those keys and headers, and the headers that were set.
    fn secrets<'a>(
        &'a self,
        keys: impl Iterator<Item = &'a Secret>,
        headers: impl Iterator<Item = &'a Secret>,
    ) -> Secrets {
        let set = self.options.headers.iter().map(|(_, value)| value);
        Secrets::new(keys, headers.chain(set))
    }

    /// Sends it until it is answered with success, fails for good, or has been tried enough.
    async fn send(
        &self,
        call: Call<'_>,
        secrets: &Secrets,
        explain: impl Fn(u16, &HeaderMap, &str) -> ProviderError + Send + Sync,
    ) -> Result<Response, ProviderError> {
        let sender = self.sender()?;
        let mut headers = self.headers(&call)?;
        let mut url = call.url.clone();
        user_to_header(&mut url, &mut headers);
        let mut attempt = 0;
        loop {
            let mut request = Request::new(call.method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            *request.body_mut() = call.body.clone().map(Into::into);
            let span = self.options.spans.then(|| AttemptSpan::start(&request, attempt));
            if self.options.propagate {
                propagate(span.as_ref(), request.headers_mut());
            }
            if let Some(sign) = call.sign {
                sign(&mut request)?;
            }
            let result = sender.execute(request).await;
            if let Some(span) = span {
                span.finish(&result);
            }
            let (error, again) = match result {
                Ok(response) if response.status().is_success() => return sender.readable(response),
                Ok(response) => (secrets.hide(refused(response, secrets, &explain).await), true),
                Err(trouble) => (secrets.hide(trouble.at(&url)), trouble.may_pass()),
            };
            let wait = (again && attempt < self.options.max_retries)
                .then(|| retry::wait_before(attempt + 1, &error))
                .flatten();
            let Some(wait) = wait else { return Err(error) };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    fn sender(&self) -> Result<&Sender, ProviderError> {
        self.sender
            .get_or_init(|| match &self.options.sender {
                Some(sender) => Ok(sender.clone()),
                None => client::build(&self.options).map(Sender::Client),
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
                KeyIn::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
                KeyIn::Header(name) => (HeaderName::from_static(name), key.expose().to_owned()),
            };
            let value = sensitive(&value).ok_or_else(|| {
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

/// Sends user and password of an address as a header, unless there is another key: HTTP clients log
/// addresses.
fn user_to_header(url: &mut Url, headers: &mut HeaderMap) {
    let Some(user) = basic(url) else { return };
    let value = sensitive(&format!("Basic {user}"));
    if let (Some(value), false) = (value, headers.contains_key(AUTHORIZATION)) {
        headers.insert(AUTHORIZATION, value);
    }
    // Only an address without a host refuses, and that has no user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// User and password of an address as the scheme `Basic` writes them.
pub(crate) fn basic(url: &Url) -> Option<String> {
    let user = percent_decode_str(url.username()).decode_utf8_lossy();
    let password = percent_decode_str(url.password().unwrap_or_default()).decode_utf8_lossy();
    let none = user.is_empty() && password.is_empty();
    (!none).then(|| BASE64.encode(format!("{user}:{password}")))
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

pub(crate) fn sensitive(value: &str) -> Option<HeaderValue> {
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

/// Writes the trace into the headers: the span of the attempt, else the one that is current.
fn propagate(span: Option<&AttemptSpan>, headers: &mut HeaderMap) {
    let context = Context::current();
    let context = span.map_or_else(|| context.clone(), |span| span.below(&context));
    let mut carrier = std::collections::HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut carrier);
    });
    for (name, value) in carrier {
        // A propagator that writes what no header can carry is not one for HTTP.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// An answer that is none of success.
async fn refused(
    response: Response,
    secrets: &Secrets,
    explain: &(impl Fn(u16, &HeaderMap, &str) -> ProviderError + Send + Sync),
) -> ProviderError {
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
