//! Who sends a request: the library's own client, one that the program brought, or any function.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::{Client, Request, Response, Url};

use super::{HttpOptions, malformed, prepare_tls};

/// Ways to compress a body, none of which the library's own client asks for.
const COMPRESSIONS: [&str; 4] = ["gzip", "br", "deflate", "zstd"];

type Sending = Pin<Box<dyn Future<Output = Result<Response, Trouble>> + Send>>;

/// What sends requests.
#[derive(Clone)]
pub(crate) enum Sender {
    Client(Client),
    Function(Arc<dyn Fn(Request) -> Sending + Send + Sync>),
}

impl Sender {
    pub(super) fn of<F, Fut, E>(send: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::Function(Arc::new(move |request| {
            let sending = send(request);
            Box::pin(async move { sending.await.map_err(|error| Trouble::of(&*error.into())) })
        }))
    }

    pub(super) async fn execute(&self, request: Request) -> Result<Response, Trouble> {
        match self {
            Self::Client(client) => client.execute(request).await.map_err(|e| Trouble::of(&e)),
            Self::Function(send) => send(request).await,
        }
    }

    /// The response, unless its body is compressed: a client that reads such bodies takes away the
    /// header that says so, and a function may leave it.
    pub(super) fn readable(&self, response: Response) -> Result<Response, ProviderError> {
        let told = response.headers().get(reqwest::header::CONTENT_ENCODING);
        let told = told.and_then(|told| told.to_str().ok()).unwrap_or_default().trim();
        match COMPRESSIONS.into_iter().find(|known| known.eq_ignore_ascii_case(told)) {
            Some(kind) if matches!(self, Self::Client(_)) => Err(malformed(&format!(
                "it is compressed by `{kind}`, which was not asked for: is there a proxy?"
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
    runtime: Option<tokio::runtime::Id>,
}

/// The client of a provider for which the program brought none.
pub(super) fn shared(options: &HttpOptions) -> Result<Client, ProviderError> {
    let key = ClientKey {
        connect_timeout: options.connect_timeout,
        read_timeout: options.read_timeout,
        runtime: tokio::runtime::Handle::try_current().ok().map(|handle| handle.id()),
    };
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(existing, _)| *existing == key) {
        return Ok(client.clone());
    }
    let client = build(options)?;
    if clients.len() == MAX_CLIENTS {
        clients.remove(0);
    }
    clients.push((key, client.clone()));
    Ok(client)
}

/// A client with these options.
pub(super) fn build(options: &HttpOptions) -> Result<Client, ProviderError> {
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

/// Why a request got no answer.
#[derive(Debug)]
pub(super) struct Trouble {
    kind: TroubleKind,
    cause: String,
    may_pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TroubleKind {
    Timeout,
    Connect,
    /// The request could not be made.
    Request,
    Other,
}

impl Trouble {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        Self { kind: kind(error), cause: root_cause(error), may_pass: !is_untrusted(error) }
    }

    /// The value of `error.type`.
    pub(super) fn error_type(&self) -> &'static str {
        match self.kind {
            TroubleKind::Timeout => "timeout",
            TroubleKind::Connect => "connect",
            TroubleKind::Request | TroubleKind::Other => "_OTHER",
        }
    }

    /// Whether another attempt may fare better, as far as the error alone can tell.
    pub(super) fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// The error of the call, to a server at that address.
    pub(super) fn at(&self, url: &Url) -> ProviderError {
        let (host, cause) = (place(url), &self.cause);
        let (kind, message) = match self.kind {
            TroubleKind::Timeout => {
                (ProviderErrorKind::Timeout, format!("{host} did not answer in time"))
            }
            TroubleKind::Request => (
                ProviderErrorKind::InvalidRequest,
                format!("the request to {host} could not be made: {cause}"),
            ),
            TroubleKind::Connect | TroubleKind::Other => (
                ProviderErrorKind::Connection,
                format!("cannot reach {host}: {cause}; check the base URL and the network"),
            ),
        };
        ProviderError::new(kind, message)
    }
}

/// An error and those within it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error names as its source what its content names, and not its content.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(content) => Some(content as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Whether TLS has found the server to be none to talk to: it is the same at the next attempt.
#[cfg(feature = "rustls-ring")]
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    use rustls::Error::{InvalidCertificate, InvalidMessage, PeerIncompatible};
    chain(error).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(InvalidCertificate(_) | InvalidMessage(_) | PeerIncompatible(_))
        )
    })
}

#[cfg(not(feature = "rustls-ring"))]
fn is_untrusted(_: &(dyn Error + 'static)) -> bool {
    false
}

fn kind(error: &(dyn Error + 'static)) -> TroubleKind {
    if let Some(error) = chain(error).find_map(|error| error.downcast_ref::<reqwest::Error>()) {
        return match error {
            _ if error.is_timeout() => TroubleKind::Timeout,
            _ if error.is_connect() => TroubleKind::Connect,
            _ if error.is_builder() => TroubleKind::Request,
            _ => TroubleKind::Other,
        };
    }
    let io = chain(error).find_map(|error| error.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => TroubleKind::Timeout,
        Some(io::ErrorKind::ConnectionRefused) => TroubleKind::Connect,
        _ => TroubleKind::Other,
    }
}

/// The innermost error: the ones around it name the URL, which may hold a key.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().unwrap_or(error).to_string();
    if cause.contains("://") { "the request failed".to_owned() } else { cause }
}

/// Host and port, without anything that may be secret.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the server");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_of_a_client_is_understood_and_shows_no_address() {
        let url = Url::parse("https://u:p@a.example:8080/v1?key=canary").unwrap();
        for (error, kind, shown) in [
            (
                io::Error::new(io::ErrorKind::TimedOut, "slow"),
                ProviderErrorKind::Timeout,
                "a.example:8080 did not answer in time",
            ),
            (
                io::Error::other("https://a.example?key=canary failed"),
                ProviderErrorKind::Connection,
                "cannot reach a.example:8080: the request failed; \
                 check the base URL and the network",
            ),
            (
                io::Error::new(io::ErrorKind::ConnectionRefused, "nobody is there"),
                ProviderErrorKind::Connection,
                "cannot reach a.example:8080: nobody is there; check the base URL and the network",
            ),
        ] {
            let error = Trouble::of(&error).at(&url);
            assert_eq!((error.kind(), error.message()), (kind, shown));
        }
    }

    #[cfg(feature = "rustls-ring")]
    #[test]
    fn a_server_that_tls_does_not_trust_is_not_asked_again() {
        let unknown = rustls::CertificateError::UnknownIssuer;
        let untrusted = rustls::Error::InvalidCertificate(unknown);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, untrusted));
        for (error, may_pass) in [
            (wrapped, false),
            (io::Error::other(rustls::Error::HandshakeNotComplete), true),
            (io::Error::new(io::ErrorKind::ConnectionRefused, "nobody is there"), true),
        ] {
            assert_eq!(Trouble::of(&error).may_pass(), may_pass, "{error}");
        }
    }
}
