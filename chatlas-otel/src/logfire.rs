//! Logfire's own environment variables: if only `LOGFIRE_TOKEN` is set, the endpoint and the
//! header follow from the token.

use crate::env::Env;
use crate::error::SetupError;

pub(crate) const TOKEN: &str = "LOGFIRE_TOKEN";
pub(crate) const BASE_URL: &str = "LOGFIRE_BASE_URL";

/// The endpoint of Logfire and the header that authenticates.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) header: (String, String),
}

/// Returns true if a token is set.
pub(crate) fn is_set(env: Env<'_>) -> bool {
    env.text(TOKEN).is_some()
}

/// Returns the receiver for the token: `LOGFIRE_BASE_URL`, else the region encoded in the token
/// (`pylf_v1_eu_…`, `pylf_v1_us_…`). Tokens without a region belong to the US region.
pub(crate) fn receiver(env: Env<'_>) -> Result<Option<Receiver>, SetupError> {
    let Some(token) = env.text(TOKEN) else { return Ok(None) };
    let url = match env.text(BASE_URL) {
        Some(url) => url,
        None => region_url(&token)?.to_owned(),
    };
    Ok(Some(Receiver { url, header: ("authorization".to_owned(), token) }))
}

fn region_url(token: &str) -> Result<&'static str, SetupError> {
    let region = token.strip_prefix("pylf_v1_").and_then(|rest| Some(rest.split_once('_')?.0));
    match region {
        None | Some("us") => Ok("https://logfire-us.pydantic.dev"),
        Some("eu") => Ok("https://logfire-eu.pydantic.dev"),
        Some(_) => Err(SetupError::InvalidValue {
            setting: TOKEN.to_owned(),
            expected: "a token of the region `us` or `eu`; for another region, set LOGFIRE_BASE_URL",
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::env::tests::lookup;
    use crate::otlp::{Signal, target_from_env};

    use super::*;

    fn endpoint(pairs: &[(&str, &str)]) -> String {
        target_from_env(Signal::Traces, Env::new(&lookup(pairs))).unwrap().endpoint.to_string()
    }

    #[test]
    fn token_selects_the_region() {
        if cfg!(feature = "_tls") {
            let eu = endpoint(&[(TOKEN, "pylf_v1_eu_abc")]);
            assert_eq!(eu, "https://logfire-eu.pydantic.dev/v1/traces");
            for token in ["pylf_v1_us_abc", "without-a-region"] {
                let us = endpoint(&[(TOKEN, token)]);
                assert_eq!(us, "https://logfire-us.pydantic.dev/v1/traces");
            }
        }
        let variables = lookup(&[(TOKEN, "pylf_v1_moon_secret")]);
        let error =
            target_from_env(Signal::Traces, Env::new(&variables)).err().unwrap().to_string();
        assert!(error.contains("LOGFIRE_BASE_URL") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn token_is_sent_to_logfire_only() {
        let own = [(TOKEN, "pylf_v1_eu_abc"), (BASE_URL, "http://logfire.test")];
        let target = target_from_env(Signal::Logs, Env::new(&lookup(&own))).unwrap();
        assert_eq!(target.endpoint.as_str(), "http://logfire.test/v1/logs");
        assert_eq!(target.headers["authorization"], "pylf_v1_eu_abc");
        let other = [(TOKEN, "pylf_v1_eu_abc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other")];
        let target = target_from_env(Signal::Logs, Env::new(&lookup(&other))).unwrap();
        assert_eq!(target.endpoint.as_str(), "http://other/v1/logs");
        assert!(target.headers.is_empty());
    }
}
