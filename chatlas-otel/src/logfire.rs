//! Logfire by its own variables: where `LOGFIRE_TOKEN` is all that a program was given, the
//! receiver follows from it.

use super::SetupError;
use super::env::Env;

pub(super) const TOKEN: &str = "LOGFIRE_TOKEN";
pub(super) const BASE_URL: &str = "LOGFIRE_BASE_URL";

/// Where it goes, and with which header.
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) header: (String, String),
}

/// Whether a token is there.
pub(super) fn is_set(env: Env<'_>) -> bool {
    env.text(TOKEN).is_some()
}

/// The receiver of the token: `LOGFIRE_BASE_URL`, else that of the region which the token names
/// (`pylf_v1_eu_…`, `pylf_v1_us_…`). Tokens from before there were regions are for the US.
pub(super) fn receiver(env: Env<'_>) -> Result<Option<Receiver>, SetupError> {
    let Some(token) = env.text(TOKEN) else { return Ok(None) };
    let url = match env.text(BASE_URL) {
        Some(url) => url,
        None => region(&token)?.to_owned(),
    };
    Ok(Some(Receiver { url, header: ("authorization".to_owned(), token) }))
}

fn region(token: &str) -> Result<&'static str, SetupError> {
    let named = token.strip_prefix("pylf_v1_").and_then(|rest| Some(rest.split_once('_')?.0));
    match named {
        None | Some("us") => Ok("https://logfire-us.pydantic.dev"),
        Some("eu") => Ok("https://logfire-eu.pydantic.dev"),
        Some(_) => Err(SetupError::InvalidValue {
            place: TOKEN.to_owned(),
            expected: "one of the region `us` or `eu`; for another, set LOGFIRE_BASE_URL",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::env::tests::of;
    use super::super::otlp::{Signal, target};
    use super::*;

    fn endpoint(pairs: &[(&str, &str)]) -> String {
        target(Signal::Traces, Env::new(&of(pairs))).ok().unwrap().endpoint.to_string()
    }

    #[test]
    fn a_token_names_its_region() {
        if cfg!(feature = "rustls-ring") {
            let eu = endpoint(&[(TOKEN, "pylf_v1_eu_abc")]);
            assert_eq!(eu, "https://logfire-eu.pydantic.dev/v1/traces");
            for token in ["pylf_v1_us_abc", "from-before-regions"] {
                let us = endpoint(&[(TOKEN, token)]);
                assert_eq!(us, "https://logfire-us.pydantic.dev/v1/traces");
            }
        }
        let lookup = of(&[(TOKEN, "pylf_v1_moon_secret")]);
        let error = target(Signal::Traces, Env::new(&lookup)).err().unwrap().to_string();
        assert!(error.contains("LOGFIRE_BASE_URL") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn other_receivers_do_not_get_the_token() {
        let own = [(TOKEN, "pylf_v1_eu_abc"), (BASE_URL, "http://logfire.test")];
        let made = target(Signal::Logs, Env::new(&of(&own))).ok().unwrap();
        assert_eq!(made.endpoint.as_str(), "http://logfire.test/v1/logs");
        assert_eq!(made.headers["authorization"], "pylf_v1_eu_abc");
        let other = [(TOKEN, "pylf_v1_eu_abc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other")];
        let made = target(Signal::Logs, Env::new(&of(&other))).ok().unwrap();
        assert_eq!(made.endpoint.as_str(), "http://other/v1/logs");
        assert!(made.headers.is_empty());
    }
}
