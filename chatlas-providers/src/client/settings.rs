//! The settings that every provider has.

use std::error::Error;
use std::sync::Arc;

use super::{Client, Dialect};
use crate::http::{BearerToken, HttpOptions, Tokens};

impl<D: Dialect> Client<D> {
    /// Sets the model.
    #[must_use]
    pub fn with_model(self, model: impl Into<Arc<str>>) -> Self {
        let model = model.into();
        self.configure(|dialect, endpoint| {
            endpoint.set_model(model);
            dialect.model_changed(endpoint);
        })
    }

    /// Sets the API key. An empty key is no key.
    #[must_use]
    pub fn with_api_key(self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.configure(|_, endpoint| endpoint.set_key(&key))
    }

    /// Uses tokens that expire, as `Authorization: Bearer …`, instead of a key. `fetch` is called
    /// when a token is needed, and again shortly before it expires or after it was rejected.
    #[must_use]
    pub fn with_token_provider<F, Fut, E>(self, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.configure(|_, endpoint| endpoint.set_tokens(Tokens::new(fetch)))
    }

    /// Sets the base URL: everything before the path of an operation.
    #[must_use]
    pub fn with_base_url(self, url: impl Into<String>) -> Self {
        let url = url.into();
        self.configure(|_, endpoint| endpoint.set_base_url(url))
    }

    /// Sets timeouts, retries, headers, spans and the HTTP client. Replaces all HTTP settings,
    /// including [`with_http_spans`](Self::with_http_spans).
    #[must_use]
    pub fn with_http(self, options: HttpOptions) -> Self {
        self.configure(|_, endpoint| endpoint.http = options)
    }

    /// Sets whether each HTTP attempt has a span below the span of its operation. Default: off.
    #[must_use]
    pub fn with_http_spans(self, on: bool) -> Self {
        self.configure(|_, endpoint| endpoint.http = endpoint.http.clone().with_spans(on))
    }

    /// Adds a header that is sent with every request. Its value is never logged.
    #[must_use]
    pub fn with_header(self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.configure(|_, endpoint| endpoint.set_header(name, value))
    }
}
