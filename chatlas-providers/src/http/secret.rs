//! Keys and other secrets: they are never printed, and removed from errors that quote them.

use std::fmt;
use std::sync::Arc;

use chatlas_core::ProviderError;
use serde_json::Value;

use super::encoded;

/// A value that is sent and never printed.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into().into())
    }

    /// Returns the value, to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The secrets of a provider, which no error message contains.
#[derive(Clone)]
pub(crate) struct Secrets(Arc<[Secret]>);

impl Secrets {
    /// A shorter key is a placeholder, and may be a part of ordinary words.
    const SHORTEST_KEY: usize = 4;
    /// Most header values are words, which errors may use.
    const SHORTEST_HEADER: usize = 16;
    /// A shorter key may be the name of a field, such as `message`.
    const SHORTEST_IN_NAME: usize = 12;

    pub(crate) fn new<'a>(
        keys: impl Iterator<Item = &'a Secret>,
        headers: impl Iterator<Item = &'a Secret>,
    ) -> Self {
        let long = |least: usize| move |secret: &&Secret| secret.0.len() >= least;
        let keys = keys.filter(long(Self::SHORTEST_KEY));
        let headers = headers.filter(long(Self::SHORTEST_HEADER));
        Self::sorted(keys.chain(headers).cloned().collect())
    }

    /// The longest first: one may be a part of another, whose rest would remain.
    fn sorted(mut all: Vec<Secret>) -> Self {
        all.sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
        Self(all.into())
    }

    /// Adds keys.
    pub(crate) fn and<'a>(self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().filter(|key| key.len() >= Self::SHORTEST_KEY).map(Secret::new);
        let keys: Vec<Secret> = keys.collect();
        if keys.is_empty() {
            return self;
        }
        Self::sorted(self.0.iter().cloned().chain(keys).collect())
    }

    /// Removes the secrets from an error: servers quote what they received.
    pub(crate) fn hide(&self, error: ProviderError) -> ProviderError {
        // The secrets first: a mask could leave a part of one.
        let message = without_keys(&self.hide_in(error.message()));
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

    /// Removes the secrets from a body, before it is truncated: the beginning of a key would not be
    /// recognised. In JSON only the strings and the names of fields are searched, so that a key which is a common word does
    /// not change its structure.
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
            Value::Object(map) => {
                let fields = std::mem::take(map).into_iter().map(|(name, mut json)| {
                    self.hide_in_json(&mut json);
                    (self.hide_in_name(&name), json)
                });
                *map = fields.collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Removes the secrets from the name of a field, except for those that may be one.
    fn hide_in_name(&self, name: &str) -> String {
        let long = self.0.iter().filter(|secret| secret.0.len() >= Self::SHORTEST_IN_NAME);
        long.fold(name.to_owned(), |name, secret| encoded::replace(&name, &secret.0))
    }

    /// Removes the secrets from a text.
    fn hide_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| encoded::replace(&text, &secret.0))
    }
}

/// Removes the words that look like a key: some servers quote the key that they received in part, or
/// another one.
fn without_keys(message: &str) -> String {
    let in_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.' | '…');
    let mut shown = String::with_capacity(message.len());
    for piece in message.split_inclusive(|c| !in_key(c)) {
        // A full stop after a key is not a part of it.
        let word = piece.trim_end_matches(|c| !in_key(c) || c == '.');
        let secret = (word.starts_with("sk-") && word.len() > 3) || word.contains("***");
        shown.push_str(if secret { "[redacted]" } else { word });
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::ProviderErrorKind;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn only_the_secrets_are_removed_from_an_error() {
        let key = Secret::new("k-12");
        let headers = [Secret::new("team"), Secret::new("0123456789abcdef")];
        let secrets = Secrets::new([&key].into_iter(), headers.iter());
        let error = |key: &str, long: &str| {
            ProviderError::new(ProviderErrorKind::RateLimit, format!("{key}, {key}: team {long}"))
                .with_status(429)
                .with_code(format!("c{key}"))
                .with_request_id(format!("r{long}"))
                .with_retry_after(Duration::from_secs(1))
                .with_partial(chatlas_core::AssistantTurn::default())
        };
        let hidden = secrets.hide(error("k-12", "0123456789abcdef"));
        assert_eq!(hidden, error("[redacted]", "[redacted]"));
        assert_eq!(secrets.hide(hidden.clone()), hidden);
        let stand_in = Secrets::new([Secret::new("abc")].iter(), [].iter());
        assert_eq!(stand_in.hide(error("abc", "")), error("abc", ""));
    }

    #[test]
    fn a_secret_inside_another_leaves_no_rest() {
        let key = Secret::new("0123");
        let secrets = Secrets::new([&key].into_iter(), [Secret::new("0123456789abcdef")].iter());
        assert_eq!(secrets.hide_in("Basic 0123456789abcdef"), "Basic [redacted]");
        let secrets = secrets.and(["abc", "0123456789abcdefgh"]);
        assert_eq!(secrets.hide_in("abc 0123456789abcdefgh"), "abc [redacted]");
    }

    #[test]
    fn a_key_that_looks_like_a_mask_leaves_no_rest() {
        let key = Secret::new("sk-live_abc+9f8e/7d==");
        let secrets = Secrets::new([&key].into_iter(), [].iter());
        let error = |message: &str| ProviderError::new(ProviderErrorKind::Other, message);
        let quoted = error("bad key sk-live_abc+9f8e/7d==, not sk-live_abc or abcd***wxyz");
        let shown = "bad key [redacted], not [redacted] or [redacted]";
        assert_eq!(secrets.hide(quoted).message(), shown);
        let body = json!({"sk-live_abc+9f8e/7d==": ["x sk-live_abc+9f8e/7d==", 1]}).to_string();
        assert_eq!(secrets.hide_in_body(&body), r#"{"[redacted]":["x [redacted]",1]}"#);
        let body = body.replace('/', "\\/");
        assert_eq!(secrets.hide_in_body(&body), r#"{"[redacted]":["x [redacted]",1]}"#);
        // Not valid JSON.
        assert_eq!(secrets.hide_in_body(&body[1..]), r#""[redacted]":["x [redacted]",1]}"#);
    }

    #[test]
    fn words_that_look_like_a_key_are_removed() {
        for (message, shown) in [
            ("key: sk-proj-****abcd. See", "key: [redacted]. See"),
            ("key: abcd****wxyz.", "key: [redacted]."),
            ("key='sk-a_b-C1', (sk-2)\nsk-3", "key='[redacted]', ([redacted])\n[redacted]"),
            (
                "no task-1 or risk-2: keys begin with sk-.",
                "no task-1 or risk-2: keys begin with sk-.",
            ),
            ("**no** … möglich", "**no** … möglich"),
        ] {
            assert_eq!(without_keys(message), shown);
        }
    }
}
