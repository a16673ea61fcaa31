//! The secrets that a URL may contain: a user with a password, and parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// Query parameters whose values are secrets: those of the conventions, and API keys of vendors.
const SECRET_PARAMETERS: [&str; 18] = [
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "key",
    "api_key",
    "apikey",
    "api-key",
    "token",
    "access_token",
    "subscription-key",
    "client_secret",
    "secret",
    "password",
    "code",
];

/// Returns whether a query parameter of that name contains a secret.
pub(crate) fn is_secret_parameter(name: &str) -> bool {
    SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

/// Moves the user and the password of a URL to the header `authorization`, unless that is set: HTTP
/// clients log URLs.
pub(super) fn user_to_header(url: &mut Url, headers: &mut HeaderMap) {
    let Some(user) = user_and_password(url) else { return };
    let value = sensitive(&format!("Basic {user}"));
    if let (Some(value), false) = (value, headers.contains_key(AUTHORIZATION)) {
        headers.insert(AUTHORIZATION, value);
    }
    // Fails only for a URL without a host, which has no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// Returns the user and the password of a URL as the scheme `Basic` encodes them.
pub(crate) fn user_and_password(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none_or(str::is_empty) {
        return None;
    }
    let user = percent_decode_str(url.username()).decode_utf8_lossy();
    let password = percent_decode_str(url.password().unwrap_or_default()).decode_utf8_lossy();
    Some(BASE64.encode(format!("{user}:{password}")))
}

/// Returns a header value that is not logged.
pub(crate) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns a URL without its secrets: user, password, and the values of secret parameters.
pub(super) fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Fails only for a URL without a host, which has no user either.
        let _ = url.set_username("REDACTED");
        let _ = url.set_password(Some("REDACTED"));
    }
    if url.query_pairs().any(|(name, _)| is_secret_parameter(&name)) {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let shown =
                    if is_secret_parameter(&name) { "REDACTED".into() } else { value.into_owned() };
                (name.into_owned(), shown)
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_url_has_no_secrets() {
        for (url, shown) in [
            ("https://a.example/v1?x=1", "https://a.example/v1?x=1"),
            ("https://u:p@a.example/", "https://REDACTED:REDACTED@a.example/"),
            ("https://a.example/?KEY=abc&x=1", "https://a.example/?KEY=REDACTED&x=1"),
            ("https://a.example/?X-Amz-Signature=s", "https://a.example/?X-Amz-Signature=REDACTED"),
            ("https://a.example/?api_key=s#f", "https://a.example/?api_key=REDACTED#f"),
        ] {
            assert_eq!(redacted(&Url::parse(url).unwrap()), shown);
        }
    }
}
