//! What the tests of the face share.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::time::Duration;

/// Waits so long that a test which gets there has failed.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}
