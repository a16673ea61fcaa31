//! Where a provider's requests go and what they carry: address, key, HTTP settings. The builder
//! methods for them are the same on every provider.

use std::env;

use chatlas_core::{ProviderError, ProviderErrorKind, ProviderInfo};
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, Url};

use super::span::is_secret_parameter;
use super::{Http, HttpOptions, KeyIn, Secret, Secrets, Tokens, basic, sensitive};

/// The server of a vendor, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    base_url: BaseUrl,
    key: Option<Secret>,
    /// Where tokens come from, which are used instead of a key.
    tokens: Option<std::sync::Arc<Tokens>>,
    /// Headers of the vendor's own.
    headers: Vec<(&'static str, Secret)>,
    http: Http,
}

/// An address that may hold a password or a key, and is never printed.
#[derive(Clone)]
struct BaseUrl(String);

impl std::fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[url]")
    }
}

/// One request, to be repeated as long as that may help.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) key: Option<(KeyIn, &'a Secret)>,
    /// Headers beside the key, the content type and those of [`HttpOptions`].
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<bytes::Bytes>,
    /// What is done to each attempt at last: signing it, for example.
    #[allow(clippy::type_complexity)]
    pub(crate) sign: Option<&'a (dyn Fn(&mut Request) -> Result<(), ProviderError> + Send + Sync)>,
}

impl Call<'_> {
    /// A request without a key.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, key: None, headers: HeaderMap::new(), body: None, sign: None }
    }

    /// With a body of JSON.
    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With a header that is no secret.
    #[cfg_attr(not(feature = "anthropic"), allow(dead_code))]
    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// With a header whose value a program gave: it is not logged.
    #[cfg_attr(not(any(feature = "anthropic", feature = "_completions")), allow(dead_code))]
    pub(crate) fn secret_header(
        mut self,
        name: &'static str,
        value: &str,
    ) -> Result<Self, ProviderError> {
        let value = sensitive(value).ok_or_else(|| {
            ProviderError::new(
                ProviderErrorKind::InvalidRequest,
                format!(
                    "the value for the header `{name}` holds signs that no HTTP header can carry"
                ),
            )
        })?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }
}

impl Endpoint {
    /// The server at that address.
    pub(crate) fn new(base_url: impl Into<String>, info: &mut ProviderInfo) -> Self {
        // Every provider has an endpoint before its first call has a span.
        #[cfg(feature = "auto-init")]
        chatlas_otel::auto_init();
        let mut endpoint = Self {
            base_url: BaseUrl(String::new()),
            key: None,
            tokens: None,
            headers: Vec::new(),
            http: Http::new(HttpOptions::default()),
        };
        endpoint.set_base_url(base_url.into(), info);
        endpoint
    }

    /// Goes to another server; `info` tells of it.
    pub(crate) fn set_base_url(&mut self, url: String, info: &mut ProviderInfo) {
        self.base_url = BaseUrl(url);
        info.server_address = None;
        info.server_port = None;
        if unfilled(&self.base_url.0).is_none()
            && let Ok(url) = Url::parse(&self.base_url.0)
            && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
        {
            // An IPv6 address stands in brackets in addresses alone.
            info.server_address = Some(host.trim_matches(['[', ']']).into());
            info.server_port = Some(port);
        }
    }

    /// Uses that key, instead of tokens. An empty one is none.
    pub(crate) fn set_key(&mut self, key: &str) {
        let key = key.trim();
        self.key = (!key.is_empty()).then(|| Secret::new(key));
        if self.key.is_some() {
            self.tokens = None;
        }
    }

    pub(crate) fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// Uses tokens from there, as `Authorization: Bearer …`, instead of a key.
    pub(crate) fn set_tokens(&mut self, tokens: Tokens) {
        self.tokens = Some(std::sync::Arc::new(tokens));
    }

    /// Sends a header of the vendor's own with every request, and shows its value nowhere.
    #[cfg_attr(not(feature = "_completions"), allow(dead_code))]
    pub(crate) fn set_header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, Secret::new(value)));
    }

    #[cfg_attr(not(feature = "_completions"), allow(dead_code))]
    pub(crate) fn headers(&self) -> &[(&'static str, Secret)] {
        &self.headers
    }

    /// Whether requests say who sends them.
    pub(crate) fn is_authenticated(&self) -> bool {
        let mut headers = self.http.options().headers.iter();
        self.key.is_some()
            || self.tokens.is_some()
            || headers.any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    }

    pub(crate) fn set_http(&mut self, options: HttpOptions) {
        self.http = Http::new(options);
    }

    pub(crate) fn set_http_spans(&mut self, on: bool) {
        self.http = Http::new(self.http.options().clone().with_spans(on));
    }

    /// What no error may show.
    pub(crate) fn secrets(&self) -> Secrets {
        let mut keys: Vec<Secret> = self.key.iter().cloned().collect();
        keys.extend(self.tokens.as_deref().and_then(Tokens::last));
        if let Ok(url) = Url::parse(&self.base_url.0) {
            // A user without a password is a key. A server sees them as they were written, or not.
            let part = url.password().unwrap_or_else(|| url.username());
            keys.push(Secret::new(part));
            keys.push(Secret::new(percent_decode_str(part).decode_utf8_lossy()));
            keys.extend(basic(&url).map(Secret::new));
            let parameters = url.query_pairs().filter(|(name, _)| is_secret_parameter(name));
            keys.extend(parameters.map(|(_, value)| Secret::new(value)));
        }
        self.http.secrets(keys.iter(), self.headers.iter().map(|(_, value)| value))
    }

    /// The address of an operation: the base URL with those segments behind it, its query kept.
    pub(crate) fn url(&self, path: &[&str]) -> Result<Url, ProviderError> {
        let invalid = |why: &str| {
            ProviderError::new(
                ProviderErrorKind::InvalidRequest,
                format!("the base URL of the model server is unusable: {why}"),
            )
        };
        if let Some(variable) = unfilled(&self.base_url.0) {
            return Err(invalid(&format!(
                "a part of it is missing: set the environment variable {variable}, \
                 or call `.base_url(...)`"
            )));
        }
        let mut url = Url::parse(&self.base_url.0).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it must begin with `http://` or `https://`"));
        }
        if url.scheme() == "https" && !cfg!(feature = "rustls-ring") && !self.http.brings_client() {
            return Err(invalid(
                "it needs TLS, which this build is without: turn on `rustls-ring`",
            ));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    /// Sends it until it is answered with success, fails for good, or has been tried enough.
    /// `explain` makes an error of an answer that is none of success. No error shows a secret.
    pub(crate) async fn send(
        &self,
        call: Call<'_>,
        explain: impl Fn(u16, &HeaderMap, &str) -> ProviderError + Send + Sync,
    ) -> Result<Response, ProviderError> {
        let Some(tokens) = &self.tokens else {
            return self.http.send(call, &self.secrets(), explain).await;
        };
        let token = tokens.token().await?;
        let call = Call { key: Some((KeyIn::Bearer, &token)), ..call };
        let result = self.http.send(call, &self.secrets(), explain).await;
        if let Err(error) = &result
            && error.status() == Some(401)
        {
            tokens.forget(&token);
        }
        result
    }
}

/// The environment variable that a part of the address waits for.
fn unfilled(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once('{')?;
    rest.split_once('}').map(|(variable, _)| variable)
}

/// The value of an environment variable; a blank one is as good as none.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The error of a provider whose key is missing.
pub(crate) fn without_key(vendor: &str, variable: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Authentication,
        format!(
            "there is no API key for {vendor}: set the environment variable {variable}, \
             or call `.api_key(...)`"
        ),
    )
}

/// The builder methods that every provider has, over its fields `endpoint` and
/// `info`, or those of the field that is named.
macro_rules! settings {
    ($($place:ident)?) => {
        /// Uses that key. An empty one is none.
        #[must_use]
        pub fn api_key(mut self, key: impl Into<String>) -> Self {
            self.$($place.)?endpoint.set_key(&key.into());
            self
        }

        /// Uses tokens that run out, as `Authorization: Bearer …`, instead of a key: `ask` is called
        /// when one is needed, and again shortly before it runs out or when it was refused.
        #[must_use]
        pub fn token_provider<F, Fut, E>(mut self, ask: F) -> Self
        where
            F: Fn() -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<$crate::http::BearerToken, E>> + Send + 'static,
            E: Into<Box<dyn std::error::Error + Send + Sync>>,
        {
            self.$($place.)?endpoint.set_tokens($crate::http::Tokens::new(ask));
            self
        }

        /// Uses the server at that address: all before the operation's own path.
        #[must_use]
        pub fn base_url(mut self, url: impl Into<String>) -> Self {
            self.$($place.)?endpoint.set_base_url(url.into(), &mut self.$($place.)?info);
            self
        }

        /// Sets timeouts, retries, headers, spans, the HTTP client: all at once, instead of those of
        /// before ([`http_spans`](Self::http_spans) included).
        #[must_use]
        pub fn http(mut self, options: $crate::http::HttpOptions) -> Self {
            self.$($place.)?endpoint.set_http(options);
            self
        }

        /// Whether each HTTP attempt has a span of its own, below the span of the operation. Off
        /// unless set.
        #[must_use]
        pub fn http_spans(mut self, on: bool) -> Self {
            self.$($place.)?endpoint.set_http_spans(on);
            self
        }
    };
}
pub(crate) use settings;
