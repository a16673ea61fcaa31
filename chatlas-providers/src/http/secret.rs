//! Keys, and what may quote them: no print shows one.

use std::fmt;
use std::sync::Arc;

use chatlas_core::ProviderError;

/// A value that is sent and never shown.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into().into())
    }

    /// The value, to be sent.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// All that a provider sends and does not show.
#[derive(Clone)]
pub(crate) struct Secrets(Vec<Secret>);

impl Secrets {
    /// A shorter key is a stand-in for one, and stands in ordinary words.
    const SHORTEST_KEY: usize = 4;
    /// Most headers hold no key but a word, which errors may well use.
    const SHORTEST_HEADER: usize = 16;

    pub(super) fn new<'a>(
        keys: impl Iterator<Item = &'a Secret>,
        headers: impl Iterator<Item = &'a Secret>,
    ) -> Self {
        let long = |least: usize| move |secret: &&Secret| secret.0.len() >= least;
        let keys = keys.filter(long(Self::SHORTEST_KEY));
        Self(keys.chain(headers.filter(long(Self::SHORTEST_HEADER))).cloned().collect())
    }

    /// The error without the secrets: servers like to quote what they got. What was read as JSON
    /// is looked through after that, so that a key cannot spoil it.
    pub(crate) fn hide(&self, error: ProviderError) -> ProviderError {
        let told = [Some(error.message()), error.code(), error.request_id()];
        if !self.0.iter().any(|secret| told.iter().flatten().any(|text| text.contains(&*secret.0)))
        {
            return error;
        }
        let hidden = |text: &str| {
            self.0
                .iter()
                .fold(text.to_owned(), |text, secret| text.replace(&*secret.0, "[redacted]"))
        };
        let mut shown = ProviderError::new(error.kind(), hidden(error.message()));
        if let Some(status) = error.status() {
            shown = shown.with_status(status);
        }
        if let Some(code) = error.code() {
            shown = shown.with_code(hidden(code));
        }
        if let Some(id) = error.request_id() {
            shown = shown.with_request_id(hidden(id));
        }
        match error.retry_after() {
            Some(wait) => shown.with_retry_after(wait),
            None => shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::ProviderErrorKind;
    use std::time::Duration;

    #[test]
    fn an_error_loses_its_secrets_and_nothing_else() {
        let key = Secret::new("k-12");
        let headers = [Secret::new("team"), Secret::new("0123456789abcdef")];
        let secrets = Secrets::new([&key].into_iter(), headers.iter());
        let told = |key: &str, long: &str| {
            ProviderError::new(ProviderErrorKind::RateLimit, format!("{key}, {key}: team {long}"))
                .with_status(429)
                .with_code(format!("c{key}"))
                .with_request_id(format!("r{long}"))
                .with_retry_after(Duration::from_secs(1))
        };
        let hidden = secrets.hide(told("k-12", "0123456789abcdef"));
        assert_eq!(hidden, told("[redacted]", "[redacted]"));
        assert_eq!(secrets.hide(hidden.clone()), hidden);
        let stand_in = Secrets::new([Secret::new("abc")].iter(), [].iter());
        assert_eq!(stand_in.hide(told("abc", "")), told("abc", ""));
    }
}
