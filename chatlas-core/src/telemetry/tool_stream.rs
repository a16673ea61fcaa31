//! The `execute_tool` span of a `#[tool]` function that returns a stream, called by the program
//! itself: from the call to the end of the stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use futures_core::Stream;
use opentelemetry::Context;
use pin_project_lite::pin_project;

use super::Run;
use super::scope::in_context;
use super::tool::{Facts, ToolSpan};
use crate::tool::ToolError;

/// The span, before there is a stream.
pub struct StreamSpan(ToolSpan);

impl StreamSpan {
    /// Starts it.
    pub fn start(name: &'static str, description: &'static str) -> Self {
        Self(ToolSpan::start(&Run::begin(), || Facts::direct(name, description)))
    }

    /// Makes the stream inside the span.
    pub fn open<T>(&self, body: impl FnOnce() -> T) -> T {
        let _guard = self.0.context().cloned().map(Context::attach);
        body()
    }

    /// Makes the stream inside the span, where that takes time.
    pub async fn open_async<F: Future>(&self, body: F) -> F::Output {
        in_context(self.0.context(), body).await
    }

    /// Ends it: there will be no stream.
    pub fn fail(self, error: &ToolError) {
        self.0.finish(Err(error));
    }

    /// Follows the stream to its end.
    pub fn follow<S: Stream>(
        self,
        stream: S,
        failure: fn(&S::Item) -> Option<ToolError>,
    ) -> ToolStream<S> {
        ToolStream { stream: Some(stream), span: Some(self.0), failure, error: None }
    }
}

pin_project! {
    /// A stream inside its span: while it is polled, and while it is dropped.
    pub struct ToolStream<S: Stream> {
        #[pin]
        stream: Option<S>,
        span: Option<ToolSpan>,
        failure: fn(&S::Item) -> Option<ToolError>,
        error: Option<ToolError>,
    }

    impl<S: Stream> PinnedDrop for ToolStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let context = this.span.as_ref().and_then(|span| span.context().cloned());
            {
                let _guard = context.map(Context::attach);
                this.stream.set(None);
            }
            // Otherwise the span is given up.
            if let (Some(error), Some(span)) = (this.error.take(), this.span.take()) {
                span.finish(Err(&error));
            }
        }
    }
}

impl<S: Stream> Stream for ToolStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let context = this.span.as_ref().and_then(|span| span.context().cloned());
        let _guard = context.map(Context::attach);
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let item = ready!(stream.poll_next(task));
        match &item {
            Some(item) if this.error.is_none() && this.span.is_some() => {
                *this.error = (this.failure)(item);
            }
            Some(_) => {}
            None => {
                this.stream.set(None);
                if let Some(span) = this.span.take() {
                    span.finish(this.error.take().as_ref().map_or(Ok(None), Err));
                }
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}
