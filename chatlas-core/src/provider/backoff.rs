//! The waits between retries.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The waits between retries: each is twice the one before, up to a maximum, minus up to a quarter of
/// random jitter, so that clients that failed together do not retry together.
///
/// ```
/// use std::time::Duration;
/// use chatlas_core::provider::Backoff;
///
/// let backoff = Backoff::new();
/// assert!(backoff.wait(1) <= Duration::from_millis(500));
/// assert!(backoff.wait(20) <= Duration::from_secs(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Creates waits of half a second at first and 8 seconds at most.
    pub const fn new() -> Self {
        Self { first: Duration::from_millis(500), max: Duration::from_secs(8) }
    }

    /// Sets the wait before the first retry.
    #[must_use]
    pub const fn with_first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Sets the maximum wait.
    #[must_use]
    pub const fn with_max(mut self, wait: Duration) -> Self {
        self.max = wait;
        self
    }

    /// Returns the wait before that retry. The first retry is 1.
    pub fn wait(&self, retry: u32) -> Duration {
        self.wait_with(retry, random())
    }

    fn wait_with(&self, retry: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << retry.saturating_sub(1).min(10));
        doubled.min(self.max).mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 4.0)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// A random number from 0 to 1. The random seed of a map's hasher is random enough for jitter.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_is_bounded() {
        let backoff = Backoff::new();
        assert_eq!(backoff.wait_with(1, 1.0), Duration::from_millis(500));
        assert_eq!(backoff.wait_with(2, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.wait_with(2, 0.0), Duration::from_millis(750));
        assert_eq!(backoff.wait_with(u32::MAX, 1.0), Duration::from_secs(8));
        assert_eq!(backoff.wait_with(0, 1.0), Duration::from_millis(500));
        let chances: Vec<f64> = (0..50).map(|_| random()).collect();
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance < 0.5) && chances.iter().any(|c| *c > 0.5));
    }
}
