//! The API of a vendor who speaks a protocol that others speak as well: where it is, which model is
//! asked for, and what says who asks.

use std::sync::Arc;

use chatlas_core::provider::Vendor;
use chatlas_core::{ProviderError, ProviderInfo};
use opentelemetry::KeyValue;
use reqwest::Method;

use super::{Call, Endpoint, KeyIn, variable, without_key};

/// The API of a vendor.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) endpoint: Endpoint,
    pub(crate) info: ProviderInfo,
    pub(crate) model: Arc<str>,
    pub(crate) vendor: &'static Vendor,
    pub(crate) key_in: KeyIn,
    pub(crate) key_needed: KeyNeeded,
    /// The vendor's own host.
    home: Option<Arc<str>>,
    query: Vec<(&'static str, String)>,
}

/// Where no request is sent without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyNeeded {
    /// At the vendor's own host, if the vendor has keys. A proxy may have its own.
    AtHome,
    Always,
    Never,
}

impl Api {
    /// The API of that vendor, with address and key as the environment tells them.
    pub(crate) fn new(vendor: &'static Vendor) -> Self {
        let mut info = ProviderInfo::new(vendor.name);
        let mut endpoint = Endpoint::new(filled(vendor.base_url, variable), &mut info);
        endpoint.set_key(&vendor.api_key_env.and_then(variable).unwrap_or_default());
        let home = info.server_address.clone();
        // Where each customer has a host of their own, it is theirs wherever it is.
        let key_needed = if home.is_some() { KeyNeeded::AtHome } else { KeyNeeded::Always };
        let new = Self {
            home,
            endpoint,
            info,
            model: Arc::default(),
            vendor,
            key_in: KeyIn::Bearer,
            key_needed,
            query: Vec::new(),
        };
        match vendor.default_model {
            Some(model) => new.with_model(model),
            None => new,
        }
    }

    pub(crate) fn with_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = model.into();
        self.info = self.info.with_model(self.model.clone());
        self
    }

    /// Sets an attribute of the vendor's own conventions.
    pub(crate) fn set_attribute(&mut self, attribute: KeyValue) {
        let attributes = &mut self.info.attributes;
        attributes.retain(|known| known.key != attribute.key);
        attributes.push(attribute);
    }

    /// Puts a parameter into the address of every request, where that tells no version.
    #[cfg_attr(not(feature = "azure"), allow(dead_code))]
    pub(crate) fn set_query(&mut self, name: &'static str, value: impl Into<String>) {
        self.query.retain(|(known, _)| *known != name);
        self.query.push((name, value.into()));
    }

    /// Whether the address tells the version of the API: then no parameter does.
    pub(crate) fn is_versioned(&self) -> bool {
        let base = self.endpoint.url(&[]);
        base.is_ok_and(|url| url.path().trim_end_matches('/').ends_with("/v1"))
    }

    /// A call of the operation at that path, with what says who asks.
    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Result<Call<'_>, ProviderError> {
        let mut url = self.endpoint.url(path)?;
        if !self.query.is_empty() && !self.is_versioned() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let needed = match self.key_needed {
            KeyNeeded::AtHome => self.info.server_address == self.home,
            KeyNeeded::Always => true,
            KeyNeeded::Never => false,
        };
        if let Some(variable) = self.vendor.api_key_env
            && needed
            && !self.endpoint.is_authenticated()
        {
            return Err(without_key(self.vendor.name, variable));
        }
        let mut call = Call::new(method, url);
        call.key = self.endpoint.key().map(|key| (self.key_in, key));
        for (name, value) in self.endpoint.headers() {
            call = call.secret_header(name, value.expose())?;
        }
        Ok(call)
    }
}

/// A base URL whose `{VARIABLE}`s are replaced by what the environment says; one that it does not
/// know stays.
fn filled(template: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        url.push_str(before);
        match variable(name) {
            Some(value) => {
                // A host may be told as an address, with a scheme of its own.
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

    #[test]
    fn an_address_is_filled_from_the_environment() {
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
