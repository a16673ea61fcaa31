//! The HTTP settings of a provider.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use chatlas_core::ProviderError;
use reqwest::{Client, Request, Response};

use super::sender::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_READ_TIMEOUT, Sender, shared};
use super::{Deadline, Secret};

/// HTTP settings of a provider: timeouts, retries, headers, tracing. The defaults suit most programs.
///
/// ```
/// use std::time::Duration;
///
/// use chatlas_providers::http::HttpOptions;
///
/// let options = HttpOptions::default()
///     .with_read_timeout(Duration::from_secs(600))
///     .with_max_retries(5)
///     .with_spans(true);
/// # #[cfg(feature = "openai")]
/// let model = chatlas_providers::openai::OpenAi::new("o3").with_http(options);
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpOptions {
    connect_timeout: Duration,
    read_timeout: Duration,
    timeout: Option<Duration>,
    pub(super) max_retries: u32,
    pub(super) spans: bool,
    pub(super) propagate: bool,
    headers: Vec<(String, Secret)>,
    sender: Option<Sender>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            read_timeout: DEFAULT_READ_TIMEOUT,
            timeout: None,
            max_retries: 2,
            spans: false,
            propagate: false,
            headers: Vec::new(),
            sender: None,
        }
    }
}

impl HttpOptions {
    /// Sets the maximum time to open a connection. Default: 10 seconds.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum time between two reads of a response. Default: 2 minutes.
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sets the maximum time of an operation, from its request to the end of its reply: all attempts,
    /// the waits between them, and the body, streamed or not. Default: unset, because a long reply is
    /// not a failure.
    ///
    /// An operation that is not complete in time fails with
    /// [`ProviderErrorKind::Timeout`](chatlas_core::ProviderErrorKind::Timeout), with the part of a
    /// streamed reply that has arrived. It also applies to a client of the program
    /// ([`with_client`](Self::with_client), [`with_sender`](Self::with_sender)). A run of a chat is
    /// one operation for each model call; the time of its tools does not count.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use chatlas_providers::http::HttpOptions;
    ///
    /// let options = HttpOptions::default().with_timeout(Duration::from_secs(90));
    /// ```
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how many times a failed request is retried. Default: 2. Only transient failures are
    /// retried:
    ///
    /// - Connections that cannot be opened, because they are refused for example. The server has not
    ///   received the request.
    /// - Connections that close before the response begins. The server may have read the complete
    ///   request, so that each retry may be processed and billed again. Set 0 if that is not
    ///   acceptable.
    /// - Responses with the status codes 408, 409, 429, 500, 502, 503, 504 and 529. The header
    ///   `x-should-retry` of a failure overrides this list.
    ///
    /// A timeout and a reply that breaks off after it has begun are not retried. The wait between
    /// attempts is the one that the server requests (`retry-after`, at most one minute), else it
    /// doubles from half a second to 8 seconds.
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets whether each attempt has a span below the `chat` span. Default: off. Leave it off if the
    /// client that sends the requests records its own spans.
    pub fn with_spans(mut self, on: bool) -> Self {
        self.spans = on;
        self
    }

    /// Sets whether the current trace context (`traceparent`) is sent with each request, by the
    /// program's global propagator. Default: off. Enable it for servers you operate, such as a
    /// gateway; model vendors ignore it.
    pub fn with_propagation(mut self, on: bool) -> Self {
        self.propagate = on;
        self
    }

    /// Adds a header that is sent with every request. It overrides a header that the provider sets.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Sends requests with this client. Its timeouts and redirects apply instead of those set here.
    /// It should not follow redirects (`reqwest::redirect::Policy::none()`): the headers in which
    /// some vendors expect their key would be sent to any host.
    pub fn with_client(mut self, client: Client) -> Self {
        self.sender = Some(Sender::Client(client));
        self
    }

    /// Sends requests by this function, such as a client with middleware. Its timeouts and redirects
    /// apply instead of those set here; retries are made on top of it. It runs inside the span of the
    /// operation, so that its spans are children of that span.
    ///
    /// ```
    /// use chatlas_providers::http::HttpOptions;
    ///
    /// let client = reqwest::Client::builder().build().expect("a client");
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
        self.sender = Some(Sender::from_fn(send));
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

    /// Returns the deadline of an operation that begins now.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.timeout.and_then(Deadline::from_now)
    }

    /// Returns whether the program brings the client, with whatever TLS that has.
    pub(crate) fn has_sender(&self) -> bool {
        self.sender.is_some()
    }

    /// Returns the sender of requests: the program's, or a shared client.
    pub(crate) fn sender(&self, plain_http: bool) -> Result<Sender, ProviderError> {
        match &self.sender {
            Some(sender) => Ok(sender.clone()),
            None => shared(self.connect_timeout, self.read_timeout, plain_http).map(Sender::Client),
        }
    }
}

impl fmt::Debug for HttpOptions {
    /// A client is not printed: it may hold headers with keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .field("spans", &self.spans)
            .field("propagate", &self.propagate)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
