//! When a failed attempt is repeated, and after which wait.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A longer wait than this is the program's decision, not ours.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// How long to wait before that attempt (the first repetition is 1); `None` for what will not pass.
pub(super) fn wait_before(attempt: u32, error: &ProviderError) -> Option<Duration> {
    if !may_pass(error) {
        return None;
    }
    match error.retry_after() {
        Some(wait) => (wait <= LONGEST_WAIT).then_some(wait),
        None => Some(backoff(attempt, chance())),
    }
}

fn may_pass(error: &ProviderError) -> bool {
    match error.status() {
        // A quota that is used up does not fill by itself.
        Some(429) => error.code() != Some("insufficient_quota"),
        Some(status) => matches!(status, 408 | 409 | 500 | 502 | 503 | 504 | 529),
        None => error.kind() == ProviderErrorKind::Connection,
    }
}

/// A number from 0 to 1. The hasher of a map is seeded at random: that is chance enough to keep
/// clients from coming back all at once.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Doubling from attempt to attempt, three quarters to the whole of it by chance.
fn backoff(attempt: u32, chance: f64) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << (attempt - 1).min(10));
    doubled.min(LONGEST_BACKOFF).mul_f64(0.75 + chance.clamp(0.0, 1.0) / 4.0)
}

/// What the server asks for: in milliseconds, in seconds, or until a date.
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
    fn the_server_is_waited_for_as_it_asks() {
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
    fn only_what_may_pass_is_repeated() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(wait_before(1, &error(status)).is_some(), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 422, 501] {
            assert!(wait_before(1, &error(status)).is_none(), "{status}");
        }
        assert!(wait_before(1, &error(429).with_code("insufficient_quota")).is_none());
        assert!(wait_before(1, &error(429).with_retry_after(Duration::from_secs(61))).is_none());
        assert!(wait_before(1, &ProviderError::new(ProviderErrorKind::Connection, "")).is_some());
        assert!(wait_before(1, &ProviderError::new(ProviderErrorKind::Timeout, "")).is_none());
    }

    #[test]
    fn the_wait_grows_and_is_bounded() {
        assert_eq!(backoff(1, 1.0), Duration::from_millis(500));
        assert_eq!(backoff(2, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(2, 0.0), Duration::from_millis(750));
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST_BACKOFF);
        let chances: Vec<f64> = (0..50).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance < 0.5) && chances.iter().any(|c| *c > 0.5));
    }
}
