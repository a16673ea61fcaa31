//! A time limit for tests that wait.

#![allow(unreachable_pub)] // it is a module of each test binary

use std::time::Duration;

/// Awaits the future, and panics after 20 seconds.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("the test finishes within 20 seconds")
}
