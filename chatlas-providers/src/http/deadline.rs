//! The time by which an operation has to be complete, with its retries and its streamed body.

use std::pin::Pin;
use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use futures_util::FutureExt as _;
use futures_util::future::Either;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::failure::SendError;
use super::runtime::{NoRuntime, in_runtime};

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

/// Why a future was not awaited to its end.
pub(super) enum Late {
    Deadline(Deadline),
    /// There is no timer.
    NoRuntime(NoRuntime),
}

impl From<Late> for SendError {
    fn from(late: Late) -> Self {
        match late {
            Late::Deadline(_) => Self::timeout(),
            Late::NoRuntime(error) => error.into(),
        }
    }
}

/// Awaits a future until the deadline, if there is one.
// No `async fn`: the future is large, and an `async fn` would contain it twice.
pub(super) fn before<F: Future>(
    deadline: Option<Deadline>,
    future: F,
) -> impl Future<Output = Result<F::Output, Late>> {
    let Some(deadline) = deadline else { return Either::Left(future.map(Ok)) };
    let future = Box::pin(future);
    Either::Right(async move {
        let result = in_runtime(async { timeout_at(deadline.end, future).await }).await;
        result.map_err(Late::NoRuntime)?.map_err(|_| Late::Deadline(deadline))
    })
}

/// Awaits an operation until the deadline, if there is one.
pub(crate) fn complete_before<T>(
    deadline: Option<Deadline>,
    operation: impl Future<Output = Result<T, ProviderError>>,
) -> impl Future<Output = Result<T, ProviderError>> {
    before(deadline, operation).map(|result| {
        result.unwrap_or_else(|late| {
            Err(match late {
                Late::Deadline(deadline) => deadline.error(),
                Late::NoRuntime(error) => error.into(),
            })
        })
    })
}
