//! The span of an annotated function, such as a `#[tool]` that the program calls: from the call to its
//! return value, or to the end of the stream that it returns.
//!
//! Called by macro expansions. Generic code is compiled once per function, so there is little of it:
//! what an operation records is behind the trait [`Operation`].

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use futures_core::Stream;
use opentelemetry::{Context, ContextGuard};
use pin_project_lite::pin_project;

use super::run::{Live, Run};
use super::scope::{in_context, observe_panic};
use crate::tool::stream::{Collected, ToOutput};
use crate::tool::{ToolError, ToolOutput};

/// What an annotated function records.
pub(super) trait Operation: Send {
    /// Returns the context in which the function's body runs.
    fn context(&self) -> Option<&Context>;

    /// Returns whether the output is recorded. If not, it is not converted.
    fn wants_output(&self) -> bool {
        false
    }

    /// Records the end.
    fn end(self: Box<Self>, end: End<'_>);
}

/// How an annotated function ended.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// With a return value, and its output if the caller has it.
    Completed(Option<&'a ToolOutput>),
    Failed(&'a ToolError),
    Panicked,
    Cancelled,
}

/// The span of a running function. Empty if no SDK is installed, and after its end.
pub struct FunctionSpan(Option<Box<dyn Operation>>);

impl FunctionSpan {
    /// Starts an operation if an SDK is installed.
    pub(super) fn start(operation: impl FnOnce(Arc<Live>) -> Option<Box<dyn Operation>>) -> Self {
        Self(Run::for_single_call().0.and_then(operation))
    }

    fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.context()
    }

    fn wants_output(&self) -> bool {
        self.0.as_ref().is_some_and(|operation| operation.wants_output())
    }

    fn end(&mut self, end: End<'_>) {
        if let Some(operation) = self.0.take() {
            operation.end(end);
        }
    }

    fn end_with(&mut self, outcome: Result<ToolOutput, ToolError>) {
        match outcome {
            Ok(output) => self.end(End::Completed(Some(&output))),
            Err(error) => self.end(End::Failed(&error)),
        }
    }

    /// Ends the span with the return value of the function. The value is converted only as far as it
    /// is recorded.
    fn finish<T>(mut self, output: &T, to_output: ToOutput<T>) {
        if self.0.is_some() {
            let wanted = self.wants_output();
            self.end_with(to_output(output, wanted));
        }
    }
}

impl Drop for FunctionSpan {
    fn drop(&mut self) {
        self.end(End::Cancelled);
    }
}

fn enter(span: &FunctionSpan) -> Option<ContextGuard> {
    span.context().cloned().map(Context::attach)
}

/// Runs `body` inside the span. A panic ends the span and is resumed.
fn inside(span: &mut FunctionSpan, body: &mut dyn FnMut()) {
    let guard = enter(span);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    drop(guard);
    if let Err(panic) = outcome {
        span.end(End::Panicked);
        resume_unwind(panic);
    }
}

/// The span of a running synchronous function.
pub struct SyncSpan {
    guard: Option<ContextGuard>,
    span: Option<FunctionSpan>,
}

impl SyncSpan {
    /// Makes the span the current one.
    pub fn enter(span: FunctionSpan) -> Self {
        Self { guard: enter(&span), span: Some(span) }
    }

    /// Ends the span with the return value of the function.
    pub fn finish<T>(mut self, output: &T, to_output: ToOutput<T>) {
        drop(self.guard.take());
        if let Some(span) = self.span.take() {
            span.finish(output, to_output);
        }
    }
}

impl Drop for SyncSpan {
    /// A function that did not finish has panicked, because it cannot be cancelled.
    fn drop(&mut self) {
        drop(self.guard.take());
        if let Some(span) = &mut self.span {
            span.end(End::Panicked);
        }
    }
}

pin_project! {
    /// A call of an async function inside its span.
    #[must_use = "a future does nothing until it is polled"]
    pub struct Direct<F: Future> {
        #[pin]
        body: Option<F>,
        span: FunctionSpan,
        to_output: ToOutput<F::Output>,
    }

    impl<F: Future> PinnedDrop for Direct<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.span.0.is_some() {
                let _guard = enter(this.span);
                this.body.set(None);
            }
        }
    }
}

/// Runs an async function inside its span. Called when the function's future is first polled.
#[inline]
pub fn direct<F: Future>(span: FunctionSpan, body: F, to_output: ToOutput<F::Output>) -> Direct<F> {
    Direct { span, body: Some(body), to_output }
}

impl<F: Future> Future for Direct<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.body.as_pin_mut() {
            Some(body) if this.span.0.is_none() => body.poll(task),
            Some(body) => poll_in_span(this.span, body, task, *this.to_output),
            None => Poll::Pending,
        }
    }
}

/// Polls a future inside the span. Compiled once for each output type.
fn poll_in_span<T>(
    span: &mut FunctionSpan,
    mut body: Pin<&mut dyn Future<Output = T>>,
    task: &mut Task<'_>,
    to_output: ToOutput<T>,
) -> Poll<T> {
    let mut polled = Poll::Pending;
    inside(span, &mut || polled = body.as_mut().poll(task));
    let output = ready!(polled);
    mem::replace(span, FunctionSpan(None)).finish(&output, to_output);
    Poll::Ready(output)
}

/// The span of a function that returns a stream, before the stream is available.
pub struct StreamSpan(FunctionSpan);

impl StreamSpan {
    /// Creates the span of a stream.
    pub fn new(span: FunctionSpan) -> Self {
        Self(span)
    }

    /// Calls a synchronous function inside the span.
    pub fn open<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let guard = enter(&self.0);
        let opened = catch_unwind(AssertUnwindSafe(body));
        drop(guard);
        opened.unwrap_or_else(|panic| {
            self.0.end(End::Panicked);
            resume_unwind(panic)
        })
    }

    /// Awaits an async function inside the span.
    pub async fn open_async<F: Future>(&mut self, body: F) -> F::Output {
        let body = in_context(self.0.context(), body);
        observe_panic(body, || self.0.end(End::Panicked)).await
    }

    /// Ends the span of a function that failed to return a stream.
    pub fn fail(mut self, error: &ToolError) {
        self.0.end(End::Failed(error));
    }

    /// Returns the stream with the span, which ends with it.
    pub fn follow<S: Stream>(self, stream: S, to_output: ToOutput<S::Item>) -> ToolStream<S> {
        let collected = self.0.wants_output().then(Collected::default);
        ToolStream { stream: Some(stream), span: self.0, to_output, error: None, collected }
    }
}

pin_project! {
    /// A stream that is polled and dropped inside its span.
    pub struct ToolStream<S: Stream> {
        #[pin]
        stream: Option<S>,
        span: FunctionSpan,
        to_output: ToOutput<S::Item>,
        error: Option<ToolError>,
        // The items, if they are recorded.
        collected: Option<Collected>,
    }

    impl<S: Stream> PinnedDrop for ToolStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let guard = enter(this.span);
            this.stream.set(None);
            drop(guard);
            // Without an error, dropping the span marks it as cancelled.
            if let Some(error) = this.error.take() {
                this.span.end(End::Failed(&error));
            }
        }
    }
}

impl<S: Stream> Stream for ToolStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let Some(mut stream) = this.stream.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let mut polled = Poll::Pending;
        inside(this.span, &mut || polled = stream.as_mut().poll_next(task));
        let item = ready!(polled);
        if let Some(item) = &item {
            if this.error.is_none() {
                match (this.to_output)(item, this.collected.is_some()) {
                    Ok(part) => {
                        if let Some(collected) = this.collected {
                            collected.add(part);
                        }
                    }
                    Err(error) => *this.error = Some(error),
                }
            }
        } else {
            let guard = enter(this.span);
            this.stream.set(None);
            drop(guard);
            let output = this.collected.take().map(Collected::into_output);
            match this.error.take() {
                Some(error) => this.span.end(End::Failed(&error)),
                None => this.span.end(End::Completed(output.as_ref())),
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}
