//! The last lines of a process's standard error.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const LIMIT: usize = 4 * 1024;

/// The last 4 KiB that a process wrote to its standard error.
#[derive(Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<VecDeque<u8>>>);

impl StderrTail {
    /// Reads until the end. The output must be read in any case: a full pipe blocks the process.
    pub(super) async fn read(self, mut stderr: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; LIMIT];
        while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
            let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(buffer.iter().take(count));
            let excess = tail.len().saturating_sub(LIMIT);
            tail.drain(..excess);
        }
    }

    pub(super) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_last_kibibytes_are_kept() {
        let tail = StderrTail::default();
        let output = format!("{}the end\n", "x".repeat(3 * LIMIT));
        tail.clone().read(output.as_bytes()).await;
        let text = tail.text();
        assert!(text.ends_with("xthe end") && text.len() < LIMIT);
    }
}
