//! Keys, and what may quote them: no print shows one.

use std::fmt;
use std::sync::Arc;

use chatlas_core::ProviderError;
use serde_json::Value;

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
pub(crate) struct Secrets(Arc<[Secret]>);

impl Secrets {
    /// A shorter key is a stand-in for one, and stands in ordinary words.
    const SHORTEST_KEY: usize = 4;
    /// Most headers hold no key but a word, which errors may well use.
    const SHORTEST_HEADER: usize = 16;

    pub(crate) fn new<'a>(
        keys: impl Iterator<Item = &'a Secret>,
        headers: impl Iterator<Item = &'a Secret>,
    ) -> Self {
        let long = |least: usize| move |secret: &&Secret| secret.0.len() >= least;
        let keys = keys.filter(long(Self::SHORTEST_KEY));
        let headers = headers.filter(long(Self::SHORTEST_HEADER));
        Self::sorted(keys.chain(headers).cloned().collect())
    }

    /// One may be a part of another, of which the rest would be shown.
    fn sorted(mut all: Vec<Secret>) -> Self {
        all.sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
        Self(all.into())
    }

    /// These and more keys.
    pub(crate) fn and<'a>(self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().filter(|key| key.len() >= Self::SHORTEST_KEY).map(Secret::new);
        let keys: Vec<Secret> = keys.collect();
        if keys.is_empty() {
            return self;
        }
        Self::sorted(self.0.iter().cloned().chain(keys).collect())
    }

    /// The error without the secrets: servers like to quote what they got. What was read as JSON
    /// is looked through after that, so that a key cannot spoil it.
    pub(crate) fn hide(&self, error: ProviderError) -> ProviderError {
        let message = self.hide_in(error.message());
        let code = error.code().map(|code| self.hide_in(code));
        let id = error.request_id().map(|id| self.hide_in(id));
        let mut shown = error.with_message(message);
        if let Some(code) = code {
            shown = shown.with_code(code);
        }
        match id {
            Some(id) => shown.with_request_id(id),
            None => shown,
        }
    }

    /// A body without the secrets. What is cut to a length is hidden before: the beginning of a key
    /// is not known as one. Of JSON the texts are looked through, not the form, so that a key which
    /// is a common word cannot spoil it.
    pub(crate) fn hide_in_body(&self, body: &str) -> String {
        match serde_json::from_str(body) {
            Ok(mut json) => {
                self.hide_in_json(&mut json);
                json.to_string()
            }
            Err(_) => self.hide_in(body),
        }
    }

    fn hide_in_json(&self, json: &mut Value) {
        match json {
            Value::String(text) => *text = self.hide_in(text),
            Value::Array(list) => list.iter_mut().for_each(|json| self.hide_in_json(json)),
            Value::Object(map) => map.values_mut().for_each(|json| self.hide_in_json(json)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text without the secrets.
    fn hide_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(&*secret.0, "[redacted]"))
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
                .with_partial(chatlas_core::AssistantTurn::default())
        };
        let hidden = secrets.hide(told("k-12", "0123456789abcdef"));
        assert_eq!(hidden, told("[redacted]", "[redacted]"));
        assert_eq!(secrets.hide(hidden.clone()), hidden);
        let stand_in = Secrets::new([Secret::new("abc")].iter(), [].iter());
        assert_eq!(stand_in.hide(told("abc", "")), told("abc", ""));
    }

    #[test]
    fn a_secret_within_another_leaves_nothing_of_it_to_see() {
        let key = Secret::new("0123");
        let secrets = Secrets::new([&key].into_iter(), [Secret::new("0123456789abcdef")].iter());
        assert_eq!(secrets.hide_in("Basic 0123456789abcdef"), "Basic [redacted]");
        let secrets = secrets.and(["abc", "0123456789abcdefgh"]);
        assert_eq!(secrets.hide_in("abc 0123456789abcdefgh"), "abc [redacted]");
    }
}
