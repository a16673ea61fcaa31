//! A span that is active while its work is polled or dropped, never in between, and that ends
//! exactly once: when it is done, or when it is dropped.

use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use futures_util::FutureExt as _;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use pin_project_lite::pin_project;

use super::{names, shielded, without_empty};

/// A started span in its context, or nothing where nobody listens.
#[derive(Debug)]
pub(super) struct SpanScope(Option<Context>);

impl SpanScope {
    pub(super) const fn off() -> Self {
        Self(None)
    }

    pub(super) fn of(context: Context) -> Self {
        Self(Some(context))
    }

    /// Whether attributes are worth being made.
    pub(super) fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|context| context.span().is_recording())
    }

    /// The span's ids, where there is one.
    pub(super) fn span_context(&self) -> Option<SpanContext> {
        Some(self.0.as_ref()?.span().span_context().clone())
    }

    /// The context in which the span is the current one.
    pub(super) fn context(&self) -> Option<&Context> {
        self.0.as_ref()
    }

    /// Writes attributes. Each key is written once in a span's life: the SDK keeps doubles.
    pub(super) fn set(&self, mut attributes: Vec<KeyValue>) {
        if let Some(context) = &self.0 {
            without_empty(&mut attributes);
            shielded(|| context.span().set_attributes(attributes));
        }
    }

    /// Sets the status and writes the exception event. Once in a span's life.
    pub(super) fn fail(&self, description: String, exception: Option<Exception>) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        if let Some(exception) = exception {
            let mut attributes = vec![KeyValue::new(names::exception::TYPE, exception.kind)];
            attributes.extend(
                exception.message.map(|text| KeyValue::new(names::exception::MESSAGE, text)),
            );
            shielded(|| span.add_event(names::exception::EVENT, attributes));
        }
        shielded(|| span.set_status(Status::Error { description: description.into() }));
    }

    /// Notes that the work panicked. Once in a span's life, beside the attribute `error.type`.
    pub(super) fn panicked(&self) {
        let kind = Cow::Borrowed(names::error::PANIC);
        self.fail(names::error::PANIC.to_owned(), Some(Exception { kind, message: None }));
    }

    /// Ends the span now, whoever else still holds its context.
    pub(super) fn end(&mut self) {
        if let Some(context) = self.0.take() {
            shielded(|| context.span().end());
        }
    }
}

impl Drop for SpanScope {
    fn drop(&mut self) {
        self.end();
    }
}

/// What an exception event says.
pub(super) struct Exception {
    pub(super) kind: Cow<'static, str>,
    /// Only with capture on: it may quote what people wrote.
    pub(super) message: Option<String>,
}

pin_project! {
    /// A future that runs inside a context: while it is polled, and while it is dropped.
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

/// Whether there is anything in that context that what runs inside could want: a span, baggage,
/// silence. Values of the program's own cannot be seen from here.
pub(crate) fn carries(context: &Context) -> bool {
    context.has_active_span() || context.is_telemetry_suppressed() || !context.baggage().is_empty()
}

/// Runs a future inside that context; as it stands where there is none.
#[inline]
pub(crate) fn in_context<F>(context: Option<&Context>, future: F) -> InContext<F> {
    InContext { future: Some(future), context: context.cloned() }
}

/// The output of that future. Where it panics, `note` is called first and the panic goes on: a span
/// that is dropped cannot tell whose panic it was.
pub(super) async fn noting_panic<F: Future>(future: F, note: impl FnOnce()) -> F::Output {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => output,
        Err(panic) => {
            note();
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
        // What the future still holds is dropped inside the context, too.
        this.future.set(None);
        Poll::Ready(output)
    }
}
