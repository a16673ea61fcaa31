//! Whether a failed attempt is retried, and after which wait.

use std::time::{Duration, SystemTime};

use chatlas_core::provider::Backoff;
use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A longer wait is left to the program.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Returns the wait before that attempt (the first retry is 1); `None` if the server requests a
/// longer one.
pub(super) fn wait_before(attempt: u32, error: &ProviderError) -> Option<Duration> {
    match error.retry_after() {
        Some(wait) => (wait <= MAX_WAIT).then_some(wait),
        None => Some(Backoff::new().wait(attempt)),
    }
}

/// Returns whether the server requests a retry or forbids it, or `None` if it leaves the decision
/// to the client. OpenAI and Anthropic send this header, and their libraries follow it.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    headers.get("x-should-retry")?.to_str().ok()?.trim().to_ascii_lowercase().parse().ok()
}

/// Returns whether another attempt may succeed.
pub(super) fn may_pass(error: &ProviderError) -> bool {
    match error.status() {
        // An exhausted quota does not refill by itself.
        Some(429) => error.code() != Some("insufficient_quota"),
        Some(status) => matches!(status, 408 | 409 | 500 | 502 | 503 | 504 | 529),
        None => error.kind() == ProviderErrorKind::Connection,
    }
}

/// Returns the wait that the server requests: in milliseconds, in seconds, or until a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| {
        headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok().filter(|n| *n >= 0.0)
    };
    if let Some(millis) = number("retry-after-ms") {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(headers.get(RETRY_AFTER)?.to_str().ok()?).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static(name),
            value.parse().unwrap(),
        )])
    }

    fn error(status: u16) -> ProviderError {
        ProviderError::new(ProviderErrorKind::Other, "").with_status(status)
    }

    #[test]
    fn the_wait_of_the_server_is_read() {
        assert_eq!(retry_after(&headers("retry-after", "2")), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(&headers("retry-after", "0.5")), Some(Duration::from_millis(500)));
        assert_eq!(retry_after(&headers("retry-after-ms", "30")), Some(Duration::from_millis(30)));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(5));
        let wait = retry_after(&headers("retry-after", &soon)).unwrap();
        assert!((3..=5).contains(&wait.as_secs()), "{wait:?}");
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(&headers("retry-after", past)), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "nan", "1e300", ""] {
            assert_eq!(retry_after(&headers("retry-after", nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn only_transient_failures_are_retried() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(may_pass(&error(status)), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 422, 501] {
            assert!(!may_pass(&error(status)), "{status}");
        }
        assert!(!may_pass(&error(429).with_code("insufficient_quota")));
        assert!(may_pass(&ProviderError::new(ProviderErrorKind::Connection, "")));
        assert!(!may_pass(&ProviderError::new(ProviderErrorKind::Timeout, "")));
        assert!(wait_before(1, &error(429)).is_some());
        assert!(wait_before(1, &error(429).with_retry_after(Duration::from_secs(61))).is_none());
    }

    #[test]
    fn the_server_decides_whether_to_retry() {
        for (value, decision) in [
            ("true", Some(true)),
            ("false", Some(false)),
            (" False", Some(false)),
            ("", None),
            ("maybe", None),
        ] {
            assert_eq!(should_retry(&headers("x-should-retry", value)), decision, "{value}");
        }
        assert_eq!(should_retry(&HeaderMap::new()), None);
    }
}
