//! What the tests of the face share: an end to waiting.

#![allow(unreachable_pub)] // it is a module of each test binary

use std::time::Duration;

/// Waits so long that a test which gets there has failed.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}
