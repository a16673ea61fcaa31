//! The `execute_tool` span of a `#[tool]` function that the program calls itself: from the call to
//! its value, or to the end of the stream that it returns. Called by macro expansions: what is
//! generic here is built anew for each tool, so it is little.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use futures_core::Stream;
use opentelemetry::{Context, ContextGuard};
use pin_project_lite::pin_project;

use super::scope::{in_context, noting_panic};
use super::tool::{Facts, ToolSpan};
use super::{Run, nobody_listens};
use crate::tool::{ToolError, ToolOutput};

/// What a tool's output is to the model; with `false`, only whether it is an error.
pub(crate) type Told<T> = fn(&T, bool) -> Result<ToolOutput, ToolError>;

#[inline]
fn start(name: &'static str, description: &'static str) -> ToolSpan {
    if nobody_listens() { ToolSpan::off() } else { ask(name, description) }
}

fn ask(name: &'static str, description: &'static str) -> ToolSpan {
    ToolSpan::start(&Run::begin(), || Facts::direct(name, description.trim()))
}

fn enter(span: &ToolSpan) -> Option<ContextGuard> {
    span.context().cloned().map(Context::attach)
}

/// Ends the span by what the function returned. Only an error is told: of a value nobody asked
/// for JSON.
fn finish<T>(span: ToolSpan, output: &T, told: Told<T>) {
    let error = span.context().and_then(|_| told(output, false).err());
    span.finish(error.as_ref().map_or(Ok(None), Err));
}

/// Runs that inside the span. A panic ends the span, and goes on.
fn inside(span: &mut ToolSpan, body: &mut dyn FnMut()) {
    let guard = enter(span);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    drop(guard);
    if let Err(panic) = outcome {
        span.panicked();
        resume_unwind(panic);
    }
}

/// A synchronous function under way.
pub struct SyncSpan {
    guard: Option<ContextGuard>,
    span: Option<ToolSpan>,
}

impl SyncSpan {
    /// Starts it, and makes it current.
    pub fn enter(name: &'static str, description: &'static str) -> Self {
        let span = start(name, description);
        Self { guard: enter(&span), span: Some(span) }
    }

    /// Ends it by what the function returned.
    pub fn finish<T>(mut self, output: &T, told: Told<T>) {
        drop(self.guard.take());
        if let Some(span) = self.span.take() {
            finish(span, output, told);
        }
    }
}

impl Drop for SyncSpan {
    /// What was not finished has panicked: there is no other way out.
    fn drop(&mut self) {
        drop(self.guard.take());
        if let Some(span) = &mut self.span {
            span.panicked();
        }
    }
}

pin_project! {
    /// An async function inside its span.
    #[must_use = "a future does nothing until it is polled"]
    pub struct Direct<F: Future> {
        #[pin]
        body: Option<F>,
        span: ToolSpan,
        told: Told<F::Output>,
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

/// The call of an async function, made when that is first polled: the span starts here.
#[inline]
pub fn direct<F: Future>(
    name: &'static str,
    description: &'static str,
    body: F,
    told: Told<F::Output>,
) -> Direct<F> {
    Direct { span: start(name, description), body: Some(body), told }
}

impl<F: Future> Future for Direct<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.body.as_pin_mut() {
            Some(body) if this.span.is_off() => body.poll(task),
            Some(body) => poll_in_span(this.span, body, task, *this.told),
            None => Poll::Pending,
        }
    }
}

/// One poll inside the span: built once for all that have the same output.
fn poll_in_span<T>(
    span: &mut ToolSpan,
    mut body: Pin<&mut dyn Future<Output = T>>,
    task: &mut Task<'_>,
    told: Told<T>,
) -> Poll<T> {
    let mut polled = Poll::Pending;
    inside(span, &mut || polled = body.as_mut().poll(task));
    let output = ready!(polled);
    finish(mem::replace(span, ToolSpan::off()), &output, told);
    Poll::Ready(output)
}

/// The span, before there is a stream.
pub struct StreamSpan(ToolSpan);

impl StreamSpan {
    /// Starts it.
    pub fn start(name: &'static str, description: &'static str) -> Self {
        Self(start(name, description))
    }

    /// Makes the stream inside the span.
    pub fn open<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let guard = enter(&self.0);
        let opened = catch_unwind(AssertUnwindSafe(body));
        drop(guard);
        opened.unwrap_or_else(|panic| {
            self.0.panicked();
            resume_unwind(panic)
        })
    }

    /// Makes the stream inside the span, where that takes time.
    pub async fn open_async<F: Future>(&mut self, body: F) -> F::Output {
        let body = in_context(self.0.context(), body);
        noting_panic(body, || self.0.panicked()).await
    }

    /// Ends it: there will be no stream.
    pub fn fail(self, error: &ToolError) {
        self.0.finish(Err(error));
    }

    /// Follows the stream to its end.
    pub fn follow<S: Stream>(self, stream: S, told: Told<S::Item>) -> ToolStream<S> {
        ToolStream { stream: Some(stream), span: Some(self.0), told, error: None }
    }
}

pin_project! {
    /// A stream inside its span: while it is polled, and while it is dropped.
    pub struct ToolStream<S: Stream> {
        #[pin]
        stream: Option<S>,
        span: Option<ToolSpan>,
        told: Told<S::Item>,
        error: Option<ToolError>,
    }

    impl<S: Stream> PinnedDrop for ToolStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let guard = this.span.as_ref().and_then(enter);
            this.stream.set(None);
            drop(guard);
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
                *this.error = (this.told)(item, false).err();
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
