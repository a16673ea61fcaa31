//! A span that is the current one only while its work is polled or dropped, and that ends exactly
//! once: when the work is done, or when it is dropped.

use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use pin_project_lite::pin_project;

use super::agent_run::AgentRun;
use super::attributes::{push, without_empty};
use super::names;
use super::shield::shielded;

/// A started operation: its span in its context, if a tracer provider is installed, and its start
/// time.
#[derive(Debug)]
pub(super) struct SpanScope {
    context: Option<Context>,
    start: Start,
}

/// The start of an operation, read once for its span and its metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) time: SystemTime,
    pub(super) instant: Instant,
}

impl Start {
    /// Creates a start at a time in the past, or now.
    pub(super) fn at(time: Option<SystemTime>) -> Self {
        Self { time: time.unwrap_or_else(SystemTime::now), instant: Instant::now() }
    }

    /// Returns the end time and the duration, which agree unless the system clock was set meanwhile.
    fn end(self) -> (SystemTime, Duration) {
        let (now, monotonic) = (SystemTime::now(), self.instant.elapsed());
        let by_span = now.duration_since(self.time).ok();
        let agrees = |time: &Duration| time.abs_diff(monotonic) < Duration::from_secs(1);
        (now, by_span.filter(agrees).unwrap_or(monotonic))
    }
}

impl SpanScope {
    /// Creates the scope of the span in `context`, or a scope without a span.
    pub(super) fn new(context: Option<Context>, start: Start) -> Self {
        Self { context, start }
    }

    /// Returns the start of the operation.
    pub(super) fn started(&self) -> Instant {
        self.start.instant
    }

    /// Returns whether the span records attributes.
    pub(super) fn is_recording(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.span().is_recording())
    }

    /// Returns the ids of the span.
    pub(super) fn span_context(&self) -> Option<SpanContext> {
        Some(self.context.as_ref()?.span().span_context().clone())
    }

    /// Returns the context in which the span is the current one.
    pub(super) fn context(&self) -> Option<&Context> {
        self.context.as_ref()
    }

    /// Sets attributes. Each key must be set once per span: the SDK exports duplicates.
    pub(super) fn set(&self, mut attributes: Vec<KeyValue>) {
        if let Some(context) = &self.context {
            without_empty(&mut attributes);
            shielded(|| context.span().set_attributes(attributes));
        }
    }

    /// Sets an attribute with content, which is recorded even if it is empty.
    pub(super) fn set_content(&self, key: &'static str, text: String) {
        if let Some(context) = &self.context {
            shielded(|| context.span().set_attribute(KeyValue::new(key, text)));
        }
    }

    /// Sets the error status and adds the exception event. Must be called at most once per span.
    pub(super) fn fail(&self, description: String, exception: Option<Exception>) {
        let Some(context) = &self.context else { return };
        let span = context.span();
        if let Some(exception) = exception {
            let mut attributes = vec![KeyValue::new(names::exception::TYPE, exception.kind)];
            push(&mut attributes, names::exception::MESSAGE, exception.message);
            shielded(|| span.add_event(names::exception::EVENT, attributes));
        }
        shielded(|| span.set_status(Status::Error { description: description.into() }));
    }

    /// Records that the work panicked. The caller sets the attribute `error.type`.
    pub(super) fn fail_with_panic(&self) {
        let kind = Cow::Borrowed(names::error::PANIC);
        self.fail(names::error::PANIC.to_owned(), Some(Exception { kind, message: None }));
    }

    /// Ends the span now, even if its context is still held elsewhere. Returns its duration.
    pub(super) fn end(&mut self) -> Duration {
        let (time, duration) = self.start.end();
        if let Some(context) = self.context.take() {
            shielded(|| context.span().end_with_timestamp(time));
        }
        duration
    }
}

impl Drop for SpanScope {
    fn drop(&mut self) {
        if self.context.is_some() {
            self.end();
        }
    }
}

/// The content of an exception event.
pub(super) struct Exception {
    pub(super) kind: Cow<'static, str>,
    /// Set only with capture on, because it may quote content.
    pub(super) message: Option<String>,
}

pin_project! {
    /// A future for which a context is the current one while it is polled and while it is dropped.
    pub(crate) struct InContext<F> {
        #[pin]
        future: Option<F>,
        context: Option<Context>,
    }

    impl<F> PinnedDrop for InContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                let _guard = this.context.clone().map(Context::attach);
                this.future.set(None);
            }
        }
    }
}

/// Returns whether the context holds a span, baggage, the suppression of telemetry, or an agent that
/// counts calls. Values of other types cannot be detected.
pub(crate) fn carries(context: &Context) -> bool {
    context.has_active_span()
        || context.is_telemetry_suppressed()
        || !context.baggage().is_empty()
        || context.get::<AgentRun>().is_some()
}

/// Runs a future inside that context, if there is one.
#[inline]
pub(crate) fn in_context<F>(context: Option<&Context>, future: F) -> InContext<F> {
    InContext { future: Some(future), context: context.cloned() }
}

/// Awaits a future. If it panics, calls `on_panic` and resumes the panic: the destructor of a span
/// cannot distinguish this panic from an unrelated one.
pub(super) async fn observe_panic<F: Future>(future: F, on_panic: impl FnOnce()) -> F::Output {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => output,
        Err(panic) => {
            on_panic();
            resume_unwind(panic)
        }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _guard = this.context.clone().map(Context::attach);
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let output = std::task::ready!(future.poll(task));
        // Drops what the future still holds inside the context.
        this.future.set(None);
        Poll::Ready(output)
    }
}
