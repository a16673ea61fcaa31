//! The `execute_tool` span of a `#[tool]` function that the program calls: from the call to its
//! return value, or to the end of the stream that it returns.
//!
//! Called by the expansion of `#[tool]`. Generic code is compiled once per tool, so there is little
//! of it.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use futures_core::Stream;
use opentelemetry::{Context, ContextGuard};
use pin_project_lite::pin_project;

use super::run::Run;
use super::scope::{in_context, observe_panic};
use super::tool::{ToolFacts, ToolSpan};
use crate::tool::ToolError;
use crate::tool::stream::ToOutput;

fn start(name: &'static str, description: &'static str) -> ToolSpan {
    let facts = || ToolFacts::for_function(name, description.trim());
    ToolSpan::start(&Run::for_single_call(), facts)
}

fn enter(span: &ToolSpan) -> Option<ContextGuard> {
    span.context().cloned().map(Context::attach)
}

/// Ends the span with the return value of the function. Of a value that is not an error, nothing is
/// recorded, so it is not serialized.
fn finish<T>(span: ToolSpan, output: &T, to_output: ToOutput<T>) {
    let error = span.context().and_then(|_| to_output(output, false).err());
    span.finish(error.as_ref().map_or(Ok(None), Err));
}

/// Runs `body` inside the span. A panic ends the span and is resumed.
fn inside(span: &mut ToolSpan, body: &mut dyn FnMut()) {
    let guard = enter(span);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    drop(guard);
    if let Err(panic) = outcome {
        span.end_with_panic();
        resume_unwind(panic);
    }
}

/// The span of a running synchronous function.
pub struct SyncSpan {
    guard: Option<ContextGuard>,
    span: Option<ToolSpan>,
}

impl SyncSpan {
    /// Starts the span and makes it the current one.
    pub fn enter(name: &'static str, description: &'static str) -> Self {
        let span = start(name, description);
        Self { guard: enter(&span), span: Some(span) }
    }

    /// Ends the span with the return value of the function.
    pub fn finish<T>(mut self, output: &T, to_output: ToOutput<T>) {
        drop(self.guard.take());
        if let Some(span) = self.span.take() {
            finish(span, output, to_output);
        }
    }
}

impl Drop for SyncSpan {
    /// A function that did not finish has panicked, because it cannot be cancelled.
    fn drop(&mut self) {
        drop(self.guard.take());
        if let Some(span) = &mut self.span {
            span.end_with_panic();
        }
    }
}

pin_project! {
    /// A call of an async function inside its span.
    #[must_use = "a future does nothing until it is polled"]
    pub struct Direct<F: Future> {
        #[pin]
        body: Option<F>,
        span: ToolSpan,
        to_output: ToOutput<F::Output>,
    }

    impl<F: Future> PinnedDrop for Direct<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if !this.span.is_off() {
                let _guard = enter(this.span);
                this.body.set(None);
            }
        }
    }
}

/// Starts the span of an async function. Called when the function's future is first polled.
#[inline]
pub fn direct<F: Future>(
    name: &'static str,
    description: &'static str,
    body: F,
    to_output: ToOutput<F::Output>,
) -> Direct<F> {
    Direct { span: start(name, description), body: Some(body), to_output }
}

impl<F: Future> Future for Direct<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.body.as_pin_mut() {
            Some(body) if this.span.is_off() => body.poll(task),
            Some(body) => poll_in_span(this.span, body, task, *this.to_output),
            None => Poll::Pending,
        }
    }
}

/// Polls a future inside the span. Compiled once for each output type.
fn poll_in_span<T>(
    span: &mut ToolSpan,
    mut body: Pin<&mut dyn Future<Output = T>>,
    task: &mut Task<'_>,
    to_output: ToOutput<T>,
) -> Poll<T> {
    let mut polled = Poll::Pending;
    inside(span, &mut || polled = body.as_mut().poll(task));
    let output = ready!(polled);
    finish(mem::replace(span, ToolSpan::off()), &output, to_output);
    Poll::Ready(output)
}

/// The span of a function that returns a stream, before the stream is available.
pub struct StreamSpan(ToolSpan);

impl StreamSpan {
    /// Starts the span.
    pub fn start(name: &'static str, description: &'static str) -> Self {
        Self(start(name, description))
    }

    /// Calls a synchronous function inside the span.
    pub fn open<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let guard = enter(&self.0);
        let opened = catch_unwind(AssertUnwindSafe(body));
        drop(guard);
        opened.unwrap_or_else(|panic| {
            self.0.end_with_panic();
            resume_unwind(panic)
        })
    }

    /// Awaits an async function inside the span.
    pub async fn open_async<F: Future>(&mut self, body: F) -> F::Output {
        let body = in_context(self.0.context(), body);
        observe_panic(body, || self.0.end_with_panic()).await
    }

    /// Ends the span of a function that failed to return a stream.
    pub fn fail(self, error: &ToolError) {
        self.0.finish(Err(error));
    }

    /// Returns the stream with the span, which ends with it.
    pub fn follow<S: Stream>(self, stream: S, to_output: ToOutput<S::Item>) -> ToolStream<S> {
        ToolStream { stream: Some(stream), span: Some(self.0), to_output, error: None }
    }
}

pin_project! {
    /// A stream that is polled and dropped inside its span.
    pub struct ToolStream<S: Stream> {
        #[pin]
        stream: Option<S>,
        span: Option<ToolSpan>,
        to_output: ToOutput<S::Item>,
        error: Option<ToolError>,
    }

    impl<S: Stream> PinnedDrop for ToolStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let guard = this.span.as_ref().and_then(enter);
            this.stream.set(None);
            drop(guard);
            // Without an error, dropping the span marks it as cancelled.
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
        let (Some(mut stream), Some(span)) =
            (this.stream.as_mut().as_pin_mut(), this.span.as_mut())
        else {
            return Poll::Ready(None);
        };
        let mut polled = Poll::Pending;
        inside(span, &mut || polled = stream.as_mut().poll_next(task));
        let item = ready!(polled);
        if let Some(item) = &item {
            if this.error.is_none() {
                *this.error = (this.to_output)(item, false).err();
            }
        } else {
            let guard = this.span.as_ref().and_then(enter);
            this.stream.set(None);
            drop(guard);
            if let Some(span) = this.span.take() {
                span.finish(this.error.take().as_ref().map_or(Ok(None), Err));
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}
