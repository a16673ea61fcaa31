//! Providers that wrap other providers: a fallback, retries, a cache, a rate limit, a router.
//!
//! Each is a [`Provider`](crate::Provider) that can wrap any other, also another wrapper. A call has one `chat` span for
//! each model that was really called, recorded by the innermost provider, and no token counts twice.
//! What a wrapper did is an attribute of that span: `chatlas.fallback.index`, `chatlas.retry.count`,
//! `chatlas.rate_limit.wait`, `chatlas.route`. A reply from the cache has a `chat` span without usage.
//!
//! ```
//! use chatlas::testing::Script;
//! use chatlas::wrappers::{Fallback, RateLimit, Retry};
//! # use chatlas::{Chat, ProviderError, ProviderErrorKind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), chatlas::ChatError> {
//! # let overloaded = ProviderError::new(ProviderErrorKind::Overloaded, "overloaded");
//! # let (first, second) = (Script::new().fails(overloaded), Script::new().says("Hello!"));
//! let limited = RateLimit::new(first).with_requests_per_minute(60);
//! let either = Fallback::new(limited).or(Retry::new(second));
//!
//! let mut chat = Chat::new(either);
//! assert_eq!(chat.chat("Hi").await?.text(), "Hello!");
//! # Ok(())
//! # }
//! ```

mod begin;
mod cache;
mod fallback;
#[cfg(feature = "cache")]
mod memory_cache;
mod rate_limit;
mod retry;
mod router;

use std::time::Duration;

pub use cache::{Cache, ReplyCache};
pub use fallback::Fallback;
#[cfg(feature = "cache")]
pub use memory_cache::MemoryCache;
pub use rate_limit::RateLimit;
pub use retry::Retry;
pub use router::Router;

use crate::{ProviderError, ProviderErrorKind};

/// Waits on tokio's timer. Outside of a tokio runtime it returns an error, where tokio panics.
async fn sleep(wait: Duration) -> Result<(), ProviderError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(ProviderError::new(
            ProviderErrorKind::NoRuntime,
            "waiting needs a tokio runtime: call it in `#[tokio::main]`",
        ));
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

/// Returns whether the same request may succeed later.
fn is_transient(error: &ProviderError) -> bool {
    match error.kind() {
        // An exhausted quota does not refill by itself.
        ProviderErrorKind::RateLimit => error.code() != Some("insufficient_quota"),
        ProviderErrorKind::Overloaded
        | ProviderErrorKind::Timeout
        | ProviderErrorKind::Connection
        | ProviderErrorKind::TruncatedStream => true,
        _ => false,
    }
}
