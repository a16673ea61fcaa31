//! What sends a request: the shared client of the library, a client of the program, or a function.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::{Client, Request, Response};

use super::failure::{SendError, root_cause};
use super::runtime::in_runtime;
use super::{malformed, tls};

/// The default of the maximum time to open a connection.
pub(super) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The default of the maximum time between two reads of a response.
pub(super) const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(120);
/// The content encodings of compressed bodies. The shared client requests none of them.
const COMPRESSIONS: [&str; 4] = ["gzip", "br", "deflate", "zstd"];

/// A function that sends requests.
#[derive(Clone)]
pub(crate) struct Function(Arc<dyn Fn(Request) -> Sending + Send + Sync>);

type Sending = Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send>>;

/// Sends requests.
#[derive(Clone)]
pub(crate) enum Sender {
    Client(Client),
    Function(Function),
}

impl Sender {
    pub(super) fn from_fn<F, Fut, E>(send: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::Function(Function(Arc::new(move |request| {
            let sending = send(request);
            Box::pin(
                async move { sending.await.map_err(|error| SendError::from_error(&*error.into())) },
            )
        })))
    }

    pub(super) async fn execute(&self, request: Request) -> Result<Response, SendError> {
        match self {
            Self::Client(client) => {
                let sent = in_runtime(async { client.execute(request).await }).await?;
                sent.map_err(|e| SendError::from_error(&e))
            }
            Self::Function(function) => (function.0)(request).await,
        }
    }

    /// Returns the response unless its body is compressed. A client that decompresses bodies removes
    /// the header `content-encoding`; a function may leave it.
    pub(super) fn readable(&self, response: Response) -> Result<Response, ProviderError> {
        let encoding = response.headers().get(reqwest::header::CONTENT_ENCODING);
        let encoding = encoding.and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
        match COMPRESSIONS.into_iter().find(|known| known.eq_ignore_ascii_case(encoding)) {
            Some(kind) if matches!(self, Self::Client(_)) => Err(malformed(&format!(
                "it is compressed by `{kind}`, which was not requested: is there a proxy?"
            ))),
            _ => Ok(response),
        }
    }
}

/// The clients that are shared by all providers with the same timeouts.
static CLIENTS: Mutex<Vec<(ClientKey, Client)>> = Mutex::new(Vec::new());
/// More clients than this are not shared.
const MAX_CLIENTS: usize = 16;

/// Two providers with the same key use the same client. Connections are driven by the runtime that
/// opened them, so that runtimes do not share any.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ClientKey {
    connect_timeout: Duration,
    read_timeout: Duration,
    plain_http: bool,
    runtime: Option<tokio::runtime::Id>,
}

/// Returns the client that all providers with the same timeouts share. For plain HTTP, the machine
/// needs no certificates.
pub(super) fn shared(
    connect_timeout: Duration,
    read_timeout: Duration,
    plain_http: bool,
) -> Result<Client, ProviderError> {
    let runtime = tokio::runtime::Handle::try_current().ok().map(|handle| handle.id());
    let key = ClientKey { connect_timeout, read_timeout, plain_http, runtime };
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(existing, _)| *existing == key) {
        return Ok(client.clone());
    }
    let client = build(connect_timeout, Some(read_timeout), plain_http)?;
    if clients.len() == MAX_CLIENTS {
        clients.remove(0);
    }
    clients.push((key, client.clone()));
    Ok(client)
}

/// Returns the client of requests that are not a provider's, such as those for credentials, with
/// the default timeouts where none are given.
#[cfg(feature = "bedrock-aws-config")]
pub(crate) fn client_with(
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
) -> Result<Client, ProviderError> {
    shared(
        connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
        read_timeout.unwrap_or(DEFAULT_READ_TIMEOUT),
        false,
    )
}

/// Returns a new client with the TLS of the library and without a read timeout, for servers that keep
/// streams open.
pub fn http_client(connect_timeout: Duration, plain_http: bool) -> Result<Client, ProviderError> {
    build(connect_timeout, None, plain_http)
}

/// Creates a client with these timeouts.
#[cfg_attr(not(feature = "_tls"), allow(unused_variables))]
fn build(
    connect_timeout: Duration,
    read_timeout: Option<Duration>,
    plain_http: bool,
) -> Result<Client, ProviderError> {
    let builder = || {
        let builder = Client::builder()
            .connect_timeout(connect_timeout)
            // A key is for the host that it was given for.
            .redirect(reqwest::redirect::Policy::none());
        match read_timeout {
            Some(timeout) => builder.read_timeout(timeout),
            None => builder,
        }
    };
    let client = tls::configure(builder()).and_then(|builder| builder.build().map_err(failed));
    match client {
        // A machine without certificates can still send over plain HTTP.
        #[cfg(feature = "_tls")]
        Err(_) if plain_http => {
            tls::without_authorities(builder()).and_then(|builder| builder.build().map_err(failed))
        }
        client => client,
    }
}

fn failed(error: reqwest::Error) -> ProviderError {
    let why = root_cause(&error.without_url());
    let message = format!("the HTTP client could not be created: {why}");
    ProviderError::new(ProviderErrorKind::Other, message)
}
