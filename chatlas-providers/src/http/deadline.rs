//! The time by which an operation has to be complete, with its retries and its streamed body.

use std::pin::Pin;
use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// The time by which an operation has to be complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    /// Returns the deadline of an operation that begins now, or `None` if the clock cannot represent
    /// it.
    pub(super) fn from_now(limit: Duration) -> Option<Self> {
        Some(Self { end: Instant::now().checked_add(limit)?, limit })
    }

    /// Returns whether the deadline is earlier than the end of a wait that begins now.
    pub(super) fn is_within(self, wait: Duration) -> bool {
        self.end.saturating_duration_since(Instant::now()) <= wait
    }

    /// Returns a timer that expires at the deadline.
    pub(crate) fn timer(self) -> Pin<Box<Sleep>> {
        Box::pin(sleep_until(self.end))
    }

    /// Returns the error of an operation that was not complete in time.
    pub(crate) fn error(self) -> ProviderError {
        let message = format!("the reply was not complete within the timeout of {:?}", self.limit);
        ProviderError::new(ProviderErrorKind::Timeout, message)
    }
}

/// Awaits a future until the deadline, if there is one.
///
/// # Errors
///
/// The deadline, if it is reached first.
pub(super) async fn before<F: Future>(
    deadline: Option<Deadline>,
    future: F,
) -> Result<F::Output, Deadline> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => timeout_at(deadline.end, future).await.map_err(|_| deadline),
    }
}

/// Awaits an operation until the deadline, if there is one.
pub(crate) async fn complete_before<T>(
    deadline: Option<Deadline>,
    operation: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    before(deadline, operation).await.unwrap_or_else(|deadline| Err(deadline.error()))
}
