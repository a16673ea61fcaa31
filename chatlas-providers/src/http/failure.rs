//! Why there is no response to a request: classified for any client, without secrets.

use std::error::Error;
use std::io;

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::Url;

use super::runtime::NoRuntime;

/// Why there is no response to a request.
#[derive(Debug)]
pub(super) struct SendError {
    kind: SendErrorKind,
    cause: String,
    may_pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SendErrorKind {
    Timeout,
    Connect,
    /// The connection closed after it had been opened.
    Closed,
    /// The request is invalid.
    Request,
    NoRuntime,
    Other,
}

impl From<NoRuntime> for SendError {
    fn from(_: NoRuntime) -> Self {
        Self { kind: SendErrorKind::NoRuntime, cause: String::new(), may_pass: false }
    }
}

impl SendError {
    pub(super) fn from_error(error: &(dyn Error + 'static)) -> Self {
        Self { kind: kind(error), cause: root_cause(error), may_pass: !is_untrusted(error) }
    }

    /// Creates the error of an attempt that is not answered before the deadline.
    pub(super) fn timeout() -> Self {
        Self { kind: SendErrorKind::Timeout, cause: String::new(), may_pass: false }
    }

    /// Returns the value of `error.type`.
    pub(super) fn error_type(&self) -> &'static str {
        match self.kind {
            SendErrorKind::Timeout => "timeout",
            SendErrorKind::Connect => "connect",
            SendErrorKind::NoRuntime => ProviderErrorKind::NoRuntime.as_str(),
            SendErrorKind::Closed | SendErrorKind::Request | SendErrorKind::Other => "_OTHER",
        }
    }

    /// Returns whether another attempt may succeed.
    pub(super) fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// Returns the error of a request to that URL.
    pub(super) fn at(&self, url: &Url) -> ProviderError {
        let (host, cause) = (host_and_port(url), &self.cause);
        let (kind, message) = match self.kind {
            SendErrorKind::Timeout => {
                (ProviderErrorKind::Timeout, format!("{host} did not answer in time"))
            }
            SendErrorKind::Closed => (
                ProviderErrorKind::Connection,
                format!(
                    "the connection to {host} broke before a response: {cause}; the server may \
                     have processed the request"
                ),
            ),
            SendErrorKind::Request => (
                ProviderErrorKind::InvalidRequest,
                format!("the request to {host} could not be made: {cause}"),
            ),
            SendErrorKind::NoRuntime => return NoRuntime.into(),
            SendErrorKind::Connect | SendErrorKind::Other => (
                ProviderErrorKind::Connection,
                format!("cannot reach {host}: {cause}; check the base URL and the network"),
            ),
        };
        ProviderError::new(kind, message)
    }
}

/// An error and its sources.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // The source of an I/O error is that of its content: the content itself would be skipped.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(content) => Some(content as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Whether TLS does not trust the server, which the next attempt does not change.
#[cfg(feature = "_tls")]
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    use rustls::Error::{InvalidCertificate, InvalidMessage, PeerIncompatible};
    chain(error).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(InvalidCertificate(_) | InvalidMessage(_) | PeerIncompatible(_))
        )
    })
}

#[cfg(not(feature = "_tls"))]
fn is_untrusted(_: &(dyn Error + 'static)) -> bool {
    false
}

fn kind(error: &(dyn Error + 'static)) -> SendErrorKind {
    if let Some(error) = chain(error).find_map(|error| error.downcast_ref::<reqwest::Error>()) {
        return match error {
            _ if error.is_timeout() => SendErrorKind::Timeout,
            _ if error.is_connect() => SendErrorKind::Connect,
            _ if error.is_builder() => SendErrorKind::Request,
            _ => SendErrorKind::Closed,
        };
    }
    let io = chain(error).find_map(|error| error.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => SendErrorKind::Timeout,
        Some(io::ErrorKind::ConnectionRefused) => SendErrorKind::Connect,
        _ => SendErrorKind::Other,
    }
}

/// Returns the innermost error: the others name the URL, which may contain a key.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().unwrap_or(error).to_string();
    if cause.contains("://") { "the request failed".to_owned() } else { cause }
}

/// The host and the port of a URL, without anything that may be secret.
fn host_and_port(url: &Url) -> String {
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
    fn errors_of_any_client_are_classified_and_contain_no_url() {
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
                io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"),
                ProviderErrorKind::Connection,
                "cannot reach a.example:8080: connection refused; check the base URL and the network",
            ),
        ] {
            let error = SendError::from_error(&error).at(&url);
            assert_eq!((error.kind(), error.message()), (kind, shown));
        }
    }

    #[cfg(feature = "_tls")]
    #[test]
    fn an_untrusted_server_is_not_retried() {
        let unknown = rustls::CertificateError::UnknownIssuer;
        let untrusted = rustls::Error::InvalidCertificate(unknown);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, untrusted));
        for (error, may_pass) in [
            (wrapped, false),
            (io::Error::other(rustls::Error::HandshakeNotComplete), true),
            (io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"), true),
        ] {
            assert_eq!(SendError::from_error(&error).may_pass(), may_pass, "{error}");
        }
    }
}
