//! The tokio runtime that the HTTP client needs: a call outside of one fails with an error, where
//! tokio panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};

use chatlas_core::{ProviderError, ProviderErrorKind};
use futures_util::future::{Either, ready};
use futures_util::{FutureExt as _, TryFutureExt as _};

/// The current thread is in no tokio runtime, or in one whose timer or I/O is disabled.
#[derive(Debug)]
pub(super) struct NoRuntime;

impl From<NoRuntime> for ProviderError {
    fn from(_: NoRuntime) -> Self {
        Self::new(
            ProviderErrorKind::NoRuntime,
            "the HTTP client needs a tokio runtime with its timer and I/O enabled: call it in \
             `#[tokio::main]`, or in a runtime built with `enable_all()`",
        )
    }
}

/// Awaits a future that uses tokio.
// No `async fn`: the future is large, and an `async fn` would contain it twice.
pub(super) fn in_runtime<T>(
    future: impl Future<Output = T>,
) -> impl Future<Output = Result<T, NoRuntime>> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Either::Left(ready(Err(NoRuntime)));
    }
    // tokio has no way to ask whether the timer and the I/O of a runtime are enabled.
    let caught = AssertUnwindSafe(future).catch_unwind();
    Either::Right(
        caught.map_err(|panic| if is_disabled(&*panic) { NoRuntime } else { resume_unwind(panic) }),
    )
}

/// Returns whether this is tokio's panic about a disabled timer or I/O.
fn is_disabled(panic: &(dyn Any + Send)) -> bool {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.is_some_and(|message| {
        message.contains("A Tokio 1.x context was found, but") && message.contains("disabled")
    })
}
