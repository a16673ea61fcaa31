//! Wraps the `chat` and `chat_stream` methods of a transparent provider. Called by the expansion of
//! `#[provider(transparent)]`.
//!
//! The provider that a call is forwarded to records its span. If a transparent provider answers by
//! itself (a cache hit) or fails by itself (a budget is used up), no provider does: then a `chat`
//! span is recorded here. It has the attribute `chatlas.answered_by_wrapper` and no usage, because
//! no tokens were used, and it adds to no metric.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::SystemTime;

use futures_core::Stream;
use opentelemetry::Context;

use super::inference::{End, Inference};
use super::run::{ForwardedRun, Live, Run};
use super::scope::in_context;
use crate::provider::{
    AccumulatingStream, ChatRequest, Completion, CompletionEvent, CompletionStream, ProviderError,
    ProviderInfo,
};
use crate::tool::BoxFuture;

/// Calls a transparent provider's `chat`. If no SDK is installed, returns the provider's future
/// unchanged.
#[inline]
pub fn forwarded_chat<'a, Fut>(
    info: &'a ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send + 'a,
) -> BoxFuture<'a, Result<Completion, ProviderError>>
where
    Fut: Future<Output = Result<Completion, ProviderError>> + Send + 'a,
{
    let Some(live) = Run::for_request(&request).0 else { return Box::pin(body(request)) };
    Box::pin(async move {
        let call = Forwarded::new(live, info, &request, false);
        let work = Box::pin(body(call.request_of_run(request)));
        let result = in_context(Some(&call.context), work).await;
        call.end(&End::from(&result));
        result
    })
}

/// Calls a transparent provider's `chat_stream`. If no SDK is installed, returns the provider's
/// future unchanged.
#[inline]
pub fn forwarded_chat_stream<'a, Fut>(
    info: &'a ProviderInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send + 'a,
) -> BoxFuture<'a, Result<CompletionStream, ProviderError>>
where
    Fut: Future<Output = Result<CompletionStream, ProviderError>> + Send + 'a,
{
    let Some(live) = Run::for_request(&request).0 else { return Box::pin(body(request)) };
    Box::pin(async move {
        let call = Forwarded::new(live, info, &request, true);
        let work = Box::pin(body(call.request_of_run(request)));
        match in_context(Some(&call.context), work).await {
            Ok(stream) if call.is_forwarded() => Ok(stream),
            // The stream may still forward the call when it is polled.
            Ok(stream) => {
                let call = Some(call);
                Ok(CompletionStream::accumulating(ForwardedStream { stream, call }))
            }
            Err(error) => {
                call.end(&End::Failed(&error));
                Err(error)
            }
        }
    })
}

/// A call of a transparent provider.
struct Forwarded {
    live: Arc<Live>,
    info: ProviderInfo,
    /// The request, without its turns if they are not recorded.
    request: ChatRequest,
    streams: bool,
    started: SystemTime,
    /// The number of calls of the run before this one.
    calls_before: u64,
    parent: Context,
    context: Context,
}

impl Forwarded {
    fn new(live: Arc<Live>, info: &ProviderInfo, request: &ChatRequest, streams: bool) -> Self {
        let parent = Context::current();
        let calls_before = live.calls().total();
        Self {
            info: info.clone(),
            request: live.writer.recorded_part(request),
            streams,
            started: SystemTime::now(),
            calls_before,
            // For a request that the provider creates instead of forwarding its own.
            context: parent.with_value(ForwardedRun(Arc::clone(&live))),
            parent,
            live,
        }
    }

    /// Returns the request as a part of the run, so that all calls of the wrapped providers are.
    fn request_of_run(&self, mut request: ChatRequest) -> ChatRequest {
        request.run = Some(Run(Some(Arc::clone(&self.live))).extension());
        request
    }

    /// Returns whether another provider has recorded a call.
    fn is_forwarded(&self) -> bool {
        self.live.calls().total() > self.calls_before
    }

    /// Records the call, unless another provider has.
    fn end(self, end: &End<'_>) {
        if self.is_forwarded() {
            return;
        }
        let Self { live, info, request, streams, started, parent, .. } = self;
        Inference::of_wrapper(live, &info, &request, streams, started, &parent).end(end);
    }
}

/// A stream of a transparent provider that has not forwarded the call when it returned the stream.
struct ForwardedStream {
    stream: CompletionStream,
    /// The call, until it is recorded.
    call: Option<Forwarded>,
}

impl AccumulatingStream for ForwardedStream {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.stream.take_partial()
    }
}

impl Stream for ForwardedStream {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let guard = this.call.as_ref().map(|call| call.context.clone().attach());
        let polled = Pin::new(&mut this.stream).poll_next(task);
        drop(guard);
        let item = ready!(polled);
        let end = match &item {
            Some(Ok(CompletionEvent::Done(completion))) => Some(End::Completed(completion)),
            Some(Err(error)) => Some(End::Failed(error)),
            Some(Ok(_)) | None => None,
        };
        if let Some(end) = end
            && let Some(call) = this.call.take()
        {
            call.end(&end);
        }
        Poll::Ready(item)
    }
}
