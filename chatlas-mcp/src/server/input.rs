//! The standard input of a server, whose end closes the subscriptions of the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use chatlas_core::CancellationToken;
use tokio::io::{AsyncRead, ReadBuf};

/// A reader that cancels a token at its end. The SDK does not report the end to running handlers, and
/// waits 5 s for those that do not return.
pub(super) struct Input<R> {
    inner: R,
    ended: CancellationToken,
}

impl<R> Input<R> {
    pub(super) fn new(inner: R, ended: CancellationToken) -> Self {
        Self { inner, ended }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Input<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = buffer.remaining();
        let polled = Pin::new(&mut self.inner).poll_read(task, buffer);
        let ended = match &polled {
            Poll::Ready(Ok(())) => free > 0 && buffer.remaining() == free,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.ended.cancel();
        }
        polled
    }
}
