//! The endpoint of a provider: the server, the model, the credentials, the HTTP settings. It is the
//! same for all dialects.

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::Vendor;
use chatlas_core::{ProviderError, ProviderErrorKind, ProviderInfo};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::http::{
    HttpOptions, Secret, Secrets, Tokens, is_secret_parameter, sensitive, user_and_password,
    variable,
};

/// The endpoint of a provider.
#[derive(Clone, Debug)]
pub struct Endpoint {
    vendor: &'static Vendor,
    info: ProviderInfo,
    model: Arc<str>,
    base_url: BaseUrl,
    /// The host of the vendor itself.
    home: Option<Arc<str>>,
    key: Option<Secret>,
    key_in: KeyIn,
    key_needed: KeyNeeded,
    /// The environment variables that an error about a missing key names.
    key_variables: Option<String>,
    /// The source of tokens that are used if there is no key.
    tokens: Option<Arc<Tokens>>,
    headers: Vec<(&'static str, Secret)>,
    query: Vec<(&'static str, String)>,
    pub(super) http: HttpOptions,
}

/// Where the key of a request goes.
#[derive(Clone, Copy, Debug)]
pub enum KeyIn {
    /// `Authorization: Bearer …`.
    Bearer,
    /// The key alone, in a header of that (lower-case) name.
    Header(&'static str),
}

impl KeyIn {
    /// Returns the header that carries a key.
    pub(super) fn header(self, key: &Secret) -> Result<(HeaderName, HeaderValue), ProviderError> {
        let (name, value) = match self {
            Self::Bearer => (AUTHORIZATION, sensitive(&format!("Bearer {}", key.expose()))),
            Self::Header(name) => (HeaderName::from_static(name), sensitive(key.expose())),
        };
        let value = value.ok_or_else(|| {
            ProviderError::new(
                ProviderErrorKind::Authentication,
                "the API key has characters that HTTP does not allow in a header: \
                 does it contain a line break?",
            )
        })?;
        Ok((name, value))
    }
}

/// When a request is not sent without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyNeeded {
    /// If the vendor has keys and the request goes to the vendor's own host. A proxy may add a key.
    AtHome,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// An address that may contain a password or a key, and is never printed.
#[derive(Clone)]
struct BaseUrl(String);

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[url]")
    }
}

impl Endpoint {
    /// Creates the endpoint of a vendor, with its address and key from environment variables.
    pub(super) fn new(vendor: &'static Vendor, second_key_env: Option<&'static str>) -> Self {
        // Every provider has an endpoint before its first call has a span.
        #[cfg(feature = "auto-init")]
        chatlas_otel::auto_init();
        let mut endpoint = Self {
            vendor,
            info: ProviderInfo::new(vendor.name),
            model: Arc::default(),
            base_url: BaseUrl(String::new()),
            home: None,
            key: None,
            key_in: KeyIn::Bearer,
            key_needed: KeyNeeded::AtHome,
            key_variables: match (vendor.api_key_env, second_key_env) {
                (Some(first), Some(second)) => Some(format!("{first} or {second}")),
                (first, second) => first.or(second).map(str::to_owned),
            },
            tokens: None,
            headers: Vec::new(),
            query: Vec::new(),
            http: HttpOptions::default(),
        };
        endpoint.set_base_url(filled(vendor.base_url, variable));
        let key = [vendor.api_key_env, second_key_env].into_iter().flatten().find_map(variable);
        endpoint.set_key(&key.unwrap_or_default());
        endpoint.home = endpoint.info.server_address.clone();
        if endpoint.home.is_none() {
            // Every customer has a different host, so that each of them is the vendor's own.
            endpoint.key_needed = KeyNeeded::Always;
        }
        if let Some(model) = vendor.default_model {
            endpoint.set_model(model.into());
        }
        endpoint
    }

    /// Returns the vendor.
    pub(crate) fn vendor(&self) -> &'static Vendor {
        self.vendor
    }

    /// Returns the facts that are recorded on every span.
    pub(crate) fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Returns the facts that are recorded on every span, to add an attribute or a server tool.
    pub(crate) fn info_mut(&mut self) -> &mut ProviderInfo {
        &mut self.info
    }

    /// Sets an attribute of the vendor's own conventions.
    pub(crate) fn set_attribute(
        &mut self,
        key: impl Into<opentelemetry::Key>,
        value: impl Into<opentelemetry::Value>,
    ) {
        let info = std::mem::replace(&mut self.info, ProviderInfo::new(""));
        self.info = info.with_attribute(key, value);
    }

    /// Returns the requested model.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn set_model(&mut self, model: Arc<str>) {
        self.info.model = Some(Arc::clone(&model));
        self.model = model;
    }

    /// Sets the base URL: everything before the path of an operation.
    /// Returns whether requests are sent without TLS.
    pub(super) fn is_plain_http(&self) -> bool {
        Url::parse(&self.base_url.0).is_ok_and(|url| url.scheme() == "http")
    }

    pub(crate) fn set_base_url(&mut self, url: impl Into<String>) {
        self.base_url = BaseUrl(url.into());
        self.info.server_address = None;
        self.info.server_port = None;
        if unfilled(&self.base_url.0).is_none()
            && let Ok(url) = Url::parse(&self.base_url.0)
            && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
        {
            // Only in URLs an IPv6 address has brackets.
            self.info.server_address = Some(host.trim_matches(['[', ']']).into());
            self.info.server_port = Some(port);
        }
    }

    /// Sets the key, which is used instead of tokens. An empty key is no key.
    pub(crate) fn set_key(&mut self, key: &str) {
        let key = key.trim();
        self.key = (!key.is_empty()).then(|| Secret::new(key));
        if self.key.is_some() {
            self.tokens = None;
        }
    }

    /// Returns whether there is a key.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Sets where the key goes.
    pub(crate) fn set_key_in(&mut self, key_in: KeyIn) {
        self.key_in = key_in;
    }

    /// Sets when a request is not sent without a key.
    pub(crate) fn set_key_needed(&mut self, needed: KeyNeeded) {
        self.key_needed = needed;
    }

    /// Sets the source of bearer tokens, which are used instead of a key.
    pub(crate) fn set_tokens(&mut self, tokens: Tokens) {
        self.tokens = Some(Arc::new(tokens));
    }

    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_deref()
    }

    /// Sets a header that is sent with every request. Its value is never logged.
    pub(crate) fn set_header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.retain(|(existing, _)| *existing != name);
        self.headers.push((name, Secret::new(value)));
    }

    /// Sets a parameter of every URL, except if the base URL ends with the version of the API.
    pub(crate) fn set_query(&mut self, name: &'static str, value: impl Into<String>) {
        self.query.retain(|(existing, _)| *existing != name);
        self.query.push((name, value.into()));
    }

    /// Returns whether the base URL ends with the version of the API.
    pub(crate) fn is_versioned(&self) -> bool {
        Url::parse(&self.base_url.0)
            .is_ok_and(|url| url.path().trim_end_matches('/').ends_with("/v1"))
    }

    /// Returns whether requests carry credentials.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.key.is_some() || self.tokens.is_some() || self.http.has_header("authorization")
    }

    /// Returns the URL of an operation: the base URL with these path segments, its query kept.
    pub(crate) fn url(&self, path: &[&str]) -> Result<Url, ProviderError> {
        let invalid = |why: &str| {
            let message = format!("the base URL of the model server is unusable: {why}");
            ProviderError::new(ProviderErrorKind::InvalidRequest, message)
        };
        if let Some(variable) = unfilled(&self.base_url.0) {
            return Err(invalid(&format!(
                "a part of it is missing: set the environment variable {variable}, \
                 or call `.with_base_url(...)`"
            )));
        }
        if !self.base_url.0.contains("://") {
            return Err(invalid(&without_scheme(&self.base_url.0)));
        }
        let mut url = Url::parse(&self.base_url.0).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it must begin with `http://` or `https://`"));
        }
        if url.scheme() == "https" && !crate::http::HAS_TLS && !self.http.has_sender() {
            return Err(invalid(
                "`https` needs TLS, which is not part of this build: enable the feature `rustls`",
            ));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !self.query.is_empty() && !self.is_versioned() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    /// Returns the error of an operation that the vendor does not offer.
    pub(crate) fn unsupported(&self, what: &str) -> ProviderError {
        let message = format!("the provider `{}` cannot {what}", self.info.name);
        ProviderError::new(ProviderErrorKind::Unsupported, message)
    }

    /// Returns the headers of every request, without the token of a token provider.
    pub(super) fn header_map(&self) -> Result<HeaderMap, ProviderError> {
        let mut map = HeaderMap::with_capacity(8);
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            set_header(&mut map, name, value.expose())?;
        }
        if let Some(key) = &self.key {
            let (name, value) = self.key_in.header(key)?;
            map.insert(name, value);
        }
        Ok(map)
    }

    /// Adds the headers of [`HttpOptions`], which override all others.
    pub(super) fn add_custom_headers(&self, map: &mut HeaderMap) -> Result<(), ProviderError> {
        for (name, value) in self.http.headers() {
            let parsed = HeaderName::try_from(name.as_str()).ok();
            let (Some(name), Some(value)) = (parsed, sensitive(value.expose())) else {
                return Err(ProviderError::new(
                    ProviderErrorKind::InvalidRequest,
                    format!("the header `{name}` of the HTTP settings is not a valid HTTP header"),
                ));
            };
            map.insert(name, value);
        }
        Ok(())
    }

    /// Returns whether requests go to the vendor's own host.
    pub(super) fn is_home(&self) -> bool {
        self.info.server_address == self.home
    }

    /// Fails if a key is needed and there are no credentials.
    pub(super) fn check_key(&self) -> Result<(), ProviderError> {
        let is_needed = match self.key_needed {
            KeyNeeded::AtHome => self.is_home(),
            KeyNeeded::Always => true,
            KeyNeeded::Never => false,
        };
        match &self.key_variables {
            Some(variables) if is_needed && !self.is_authenticated() => Err(ProviderError::new(
                ProviderErrorKind::Authentication,
                format!(
                    "missing API key for {}: set the environment variable {variables}, \
                     or call `.with_api_key(...)`",
                    self.vendor.name
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Returns the strings that no error message may contain, except for tokens.
    pub(super) fn secrets(&self) -> Secrets {
        let mut keys: Vec<Secret> = self.key.iter().cloned().collect();
        if let Ok(url) = Url::parse(&self.base_url.0) {
            // A user name without a password is a key. Servers see it decoded, or not.
            let part = url.password().unwrap_or_else(|| url.username());
            keys.push(Secret::new(part));
            keys.push(Secret::new(percent_decode_str(part).decode_utf8_lossy()));
            keys.extend(user_and_password(&url).map(Secret::new));
            let parameters = url.query_pairs().filter(|(name, _)| is_secret_parameter(name));
            keys.extend(parameters.map(|(_, value)| Secret::new(value)));
        }
        let headers = self.headers.iter().map(|(_, value)| value);
        let custom = self.http.headers().iter().map(|(_, value)| value);
        Secrets::new(keys.iter(), headers.chain(custom))
    }
}

/// Adds a header whose value is not logged.
pub(crate) fn set_header(
    map: &mut HeaderMap,
    name: &'static str,
    value: &str,
) -> Result<(), ProviderError> {
    let value = sensitive(value).ok_or_else(|| {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("the value of the header `{name}` has characters that HTTP does not allow"),
        )
    })?;
    map.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// The environment variable that a part of the URL is missing from.
fn unfilled(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once('{')?;
    rest.split_once('}').map(|(variable, _)| variable)
}

/// Returns why a base URL without a scheme is unusable, and the URL with one.
fn without_scheme(url: &str) -> String {
    if url.trim().is_empty() {
        return "it is empty".to_owned();
    }
    let is_local = url.starts_with("localhost") || url.starts_with(|c: char| c.is_ascii_digit());
    let scheme = if is_local { "http" } else { "https" };
    // A password or a query may be a secret.
    let shown = if url.contains(['@', '?']) { "..." } else { url };
    format!("it has no scheme; write `{scheme}://{shown}`")
}

/// A base URL whose `{VARIABLE}`s are replaced by environment variables. One that is not set stays.
fn filled(template: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        url.push_str(before);
        match variable(name) {
            Some(value) => {
                // A host may be given as a URL with a scheme.
                if url == "https://" && value.contains("://") {
                    url.clear();
                }
                url.push_str(value.trim_end_matches('/'));
            }
            None => url.extend(["{", name, "}"]),
        }
        rest = after;
    }
    url + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    static ACME: Vendor = Vendor::new("acme", "https://acme.example");

    #[test]
    fn base_url_without_a_scheme_is_shown_with_one() {
        for (url, advice) in [
            ("127.0.0.1:4540", "it has no scheme; write `http://127.0.0.1:4540`"),
            ("localhost:11434/v1", "it has no scheme; write `http://localhost:11434/v1`"),
            ("api.example.com/v1", "it has no scheme; write `https://api.example.com/v1`"),
            ("user:secret@example.com", "it has no scheme; write `https://...`"),
            ("ftp://example.com", "it must begin with `http://` or `https://`"),
            (" ", "it is empty"),
        ] {
            let mut endpoint = Endpoint::new(&ACME, None);
            endpoint.set_base_url(url);
            let error = endpoint.url(&["chat"]).unwrap_err().to_string();
            assert!(error.ends_with(advice), "{error}");
        }
    }

    #[test]
    fn a_base_url_is_filled_from_environment_variables() {
        let known = |name: &str| match name {
            "HOST" => Some("https://adb-1.example.net/".to_owned()),
            "LOCAL" => Some("http://localhost:8080".to_owned()),
            "BARE" => Some("mine.example".to_owned()),
            "ACCOUNT" => Some("abc".to_owned()),
            _ => None,
        };
        for (template, url) in [
            ("https://a.example/v1", "https://a.example/v1"),
            ("https://{HOST}/serving-endpoints", "https://adb-1.example.net/serving-endpoints"),
            ("https://{LOCAL}/openai", "http://localhost:8080/openai"),
            ("https://{BARE}/openai", "https://mine.example/openai"),
            ("https://a.example/{ACCOUNT}/v1", "https://a.example/abc/v1"),
            ("https://{NONE}/{ACCOUNT}", "https://{NONE}/abc"),
            ("https://{", "https://{"),
        ] {
            assert_eq!(filled(template, known), url);
        }
    }
}
