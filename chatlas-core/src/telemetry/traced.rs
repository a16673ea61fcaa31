//! Wraps the `chat` and `chat_stream` methods of a provider in their `chat` span. Called by the
//! expansion of `#[provider]`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use futures_core::Stream;
use opentelemetry::Context;

use super::inference::{End, Inference};
use super::run::Run;
use super::shield::shielded;
use crate::provider::{
    AccumulatingStream, ChatRequest, Completion, CompletionEvent, CompletionStream, ProviderError,
    ProviderInfo,
};
use crate::tool::BoxFuture;

/// Calls a provider's `chat` inside its span. If no SDK is installed, returns the provider's future
/// unchanged.
#[inline]
pub fn traced_chat<'a, Fut>(
    info: &'a ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send + 'a,
) -> BoxFuture<'a, Result<Completion, ProviderError>>
where
    Fut: Future<Output = Result<Completion, ProviderError>> + Send + 'a,
{
    let Some(live) = Run::for_request(&request).0 else { return Box::pin(body(request)) };
    Box::pin(async move {
        let mut call = Inference::start(live, info, &request, false);
        let result = call.run_inside(Box::pin(body(request))).await;
        call.end(&match &result {
            Ok(completion) => End::Completed(completion),
            Err(error) => End::Failed(error),
        });
        result
    })
}

/// Calls a provider's `chat_stream` inside its span, which ends with the stream. If no SDK is
/// installed, returns the provider's future unchanged.
#[inline]
pub fn traced_chat_stream<'a, Fut>(
    info: &'a ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send + 'a,
) -> BoxFuture<'a, Result<CompletionStream, ProviderError>>
where
    Fut: Future<Output = Result<CompletionStream, ProviderError>> + Send + 'a,
{
    let Some(live) = Run::for_request(&request).0 else { return Box::pin(body(request)) };
    Box::pin(async move {
        let mut call = Inference::start(live, info, &request, true);
        match call.run_inside(Box::pin(body(request))).await {
            Ok(inner) => Ok(CompletionStream::accumulating(TracedStream::new(inner, call))),
            Err(error) => {
                call.end(&End::Failed(&error));
                Err(error)
            }
        }
    })
}

/// A streamed reply that reports its events to its span.
struct TracedStream {
    /// The provider's stream, until it ends.
    inner: Option<CompletionStream>,
    call: Inference,
    context: Option<Context>,
    /// When the consumer received the last event, until it polls again.
    delivered: Option<Instant>,
    /// The partial reply of a stream that was not completed, for the chat history.
    partial: Option<Completion>,
}

impl TracedStream {
    fn new(inner: CompletionStream, call: Inference) -> Self {
        let context = call.context();
        Self { inner: Some(inner), call, context, delivered: None, partial: None }
    }

    /// Adds the time since the last event was delivered to the consumer's time.
    fn count_consumer_time(&mut self) {
        if let Some(delivered) = self.delivered.take() {
            self.call.add_consumer_time(delivered.elapsed());
        }
    }

    /// Drops the provider's stream inside the span. If the reply is not complete, its partial reply
    /// is recorded and kept.
    fn close(&mut self) {
        let Some(mut inner) = self.inner.take() else { return };
        let _guard = self.context.clone().map(Context::attach);
        self.partial = shielded(|| inner.take_partial()).flatten();
        if let Some(partial) = &self.partial {
            self.call.record_partial(partial);
        }
    }
}

impl AccumulatingStream for TracedStream {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.close();
        self.partial.take()
    }
}

impl Stream for TracedStream {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.count_consumer_time();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let guard = this.context.clone().map(Context::attach);
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_next(task)));
        drop(guard);
        let item = match polled {
            // A stream that ends without `Done` is an error.
            Ok(polled) => ready!(polled).unwrap_or_else(|| Err(ProviderError::without_end())),
            Err(panic) => {
                this.close();
                this.call.end(&End::Panicked);
                resume_unwind(panic)
            }
        };
        match &item {
            Ok(event) => {
                if matches!(event, CompletionEvent::Done(_)) {
                    this.close();
                } else {
                    this.delivered = Some(Instant::now());
                }
                this.call.record_event(event);
            }
            Err(error) => {
                this.close();
                this.call.end(&End::Failed(error));
            }
        }
        Poll::Ready(Some(item))
    }
}

impl Drop for TracedStream {
    fn drop(&mut self) {
        self.count_consumer_time();
        self.close();
    }
}
