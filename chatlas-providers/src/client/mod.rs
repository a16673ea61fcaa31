//! The client of every provider: one type for all protocols.
//!
//! [`Client`] holds what is the same for all of them: the address, the credentials, the HTTP
//! settings, the bounds. A *dialect* writes requests and reads replies; it is chosen by the type
//! alias, such as [`Anthropic`](crate::anthropic::Anthropic).

#[cfg(all(
    test,
    feature = "_completions",
    feature = "anthropic",
    feature = "google",
    feature = "openai"
))]
mod allocations;
#[cfg(feature = "bedrock")]
mod aws_event_stream;
mod choice;
mod decode;
mod dialect;
mod embeddings;
mod endpoint;
pub(crate) mod failures;
pub(crate) mod fields;
mod framing;
mod history;
pub(crate) mod json;
mod provider;
mod reply;
mod settings;
mod sse;
pub(crate) mod surrogates;
mod tokens;
mod tools;
mod wire;

use std::fmt;
use std::sync::Arc;

use chatlas_core::ProviderError;
use chatlas_core::provider::{Protocol, Vendor};

pub(crate) use decode::MAX_EVENT;
pub(crate) use dialect::truncated;
pub(crate) use embeddings::{Vector, in_order, kind_word};
pub(crate) use endpoint::set_header;
pub use endpoint::{KeyIn, KeyNeeded};
pub(crate) use history::NO_TEXT;
pub(crate) use tokens::TokenCounts;
use wire::Wire;

pub(crate) use crate::http::malformed;
use crate::http::{HttpOptions, REPLY, Secrets, variable};

// The bound of `Client` makes them public. They are for the dialects of this crate alone.
#[cfg(feature = "bedrock")]
#[doc(hidden)]
pub use aws_event_stream::AwsEventStream;
#[doc(hidden)]
pub use {
    crate::http::attempts::Signer,
    choice::{CallPiece, ChoiceMut, Words},
    dialect::{Call, Decoder, Dialect, Operation, Page, ReplyHead},
    embeddings::{EmbeddingCall, EmbeddingLimits},
    endpoint::Endpoint,
    framing::{Frame, Framing, OnFrame},
    history::{CallIds, Rules},
    reply::Reply,
    sse::Sse,
};

/// A model behind an API whose protocol is `D`.
///
/// Cheap to clone: the clones share the connection pool and the cached tool definitions.
pub struct Client<D: Dialect> {
    dialect: D,
    endpoint: Endpoint,
    /// What is derived from the settings, replaced when one of them changes.
    wire: Arc<Wire>,
}

impl<D: Dialect> Client<D> {
    /// The vendor that defined the protocol: its name, base URL, API key variable and default model.
    pub const VENDOR: Vendor = *D::VENDOR;
    /// The environment variables that replace that of the API key.
    pub(crate) const OTHER_VARIABLES: [Option<&'static str>; 2] =
        [D::SECOND_KEY_ENV, D::BASE_URL_ENV];

    /// Creates a provider for a model of the vendor that defined the protocol, with the key and the
    /// address from environment variables.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let mut client = Self::of_vendor(D::VENDOR, D::Quirks::default());
        if let Some(url) = D::BASE_URL_ENV.and_then(variable) {
            client.endpoint.set_base_url(url);
        }
        client.with_model(model)
    }

    /// Changes the settings of the dialect, or those of the endpoint that a dialect may change.
    #[must_use]
    pub(crate) fn configure(mut self, change: impl FnOnce(&mut D, &mut Endpoint)) -> Self {
        change(&mut self.dialect, &mut self.endpoint);
        self.wire = Arc::default();
        self
    }

    /// Returns the vendor.
    #[must_use]
    pub fn vendor(&self) -> &'static Vendor {
        self.endpoint.vendor()
    }
}

impl<D: Dialect> Clone for Client<D> {
    fn clone(&self) -> Self {
        Self {
            dialect: self.dialect.clone(),
            endpoint: self.endpoint.clone(),
            wire: Arc::clone(&self.wire),
        }
    }
}

impl<D: Dialect> fmt::Debug for Client<D> {
    /// Of the address, host and port are printed: the rest may contain a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("dialect", &self.dialect)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl<D: Dialect> Protocol for Client<D> {
    type HttpOptions = HttpOptions;

    type Quirks = D::Quirks;

    fn of_vendor(vendor: &'static Vendor, quirks: D::Quirks) -> Self {
        let is_home = std::ptr::eq(vendor, D::VENDOR);
        let second_key_env = D::SECOND_KEY_ENV.filter(|_| is_home);
        let mut endpoint = Endpoint::new(vendor, second_key_env);
        let dialect = D::new(quirks, &mut endpoint);
        Self { dialect, endpoint, wire: Arc::default() }
    }

    fn with_model(self, model: impl Into<Arc<str>>) -> Self {
        self.with_model(model)
    }

    fn with_api_key(self, key: impl Into<String>) -> Self {
        self.with_api_key(key)
    }

    fn with_base_url(self, url: impl Into<String>) -> Self {
        self.with_base_url(url)
    }

    fn with_http(self, options: HttpOptions) -> Self {
        self.with_http(options)
    }

    fn with_http_spans(self, on: bool) -> Self {
        self.with_http_spans(on)
    }
}

/// Where a response comes from, for the errors of reading it.
struct Origin {
    vendor: &'static str,
    /// The strings that no error message may contain.
    secrets: Secrets,
    request_id: Option<String>,
}

impl Origin {
    /// Adds the vendor and the request id to an error, and removes secrets.
    fn shown(&self, error: ProviderError) -> ProviderError {
        let error = match error.message().strip_prefix(REPLY) {
            Some(rest) => {
                let message = format!("the reply of `{}`{rest}", self.vendor);
                error.with_message(message)
            }
            None => error,
        };
        self.secrets.hide(with_request_id(error, self.request_id.as_deref()))
    }
}

/// Adds the vendor's id of the request to an error that has none.
fn with_request_id(error: ProviderError, id: Option<&str>) -> ProviderError {
    match id {
        Some(id) if error.request_id().is_none() => error.with_request_id(id),
        _ => error,
    }
}
