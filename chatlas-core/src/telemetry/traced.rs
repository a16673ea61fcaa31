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
        call.end(&End::from(&result));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt as _, StreamExt as _};
    use opentelemetry::{Value, global};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    use super::*;
    use crate::turn::Usage;

    /// A provider's stream: a text, the usage, then an error or a panic.
    struct Broken {
        items: u8,
        panics: bool,
        taken: Arc<AtomicUsize>,
    }

    impl Stream for Broken {
        type Item = Result<CompletionEvent, ProviderError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Self::Item>> {
            self.items += 1;
            Poll::Ready(Some(match self.items {
                1 => Ok(CompletionEvent::Text("Hel".to_owned())),
                2 => Ok(CompletionEvent::Usage(Usage::new(5, 2))),
                _ if self.panics => panic!("on purpose"),
                _ => Err(ProviderError::without_end()),
            }))
        }
    }

    impl AccumulatingStream for Broken {
        fn take_partial(self: Pin<&mut Self>) -> Option<Completion> {
            let first = self.taken.fetch_add(1, Ordering::Relaxed) == 0;
            first.then(|| {
                Completion::new([crate::content::Content::text("Hel")]).with_usage(Usage::new(5, 2))
            })
        }
    }

    #[tokio::test]
    async fn broken_stream_keeps_its_partial_reply_for_the_span_and_the_history() {
        let exporter = InMemorySpanExporter::default();
        let sdk = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        global::set_tracer_provider(sdk);
        for (model, panics, taken_early) in
            [("fails", false, false), ("panics", true, false), ("cancelled", false, true)]
        {
            let info = ProviderInfo::new("test").with_model(model);
            let taken = Arc::new(AtomicUsize::new(0));
            let broken = Broken { items: 0, panics, taken: Arc::clone(&taken) };
            let open = |_| std::future::ready(Ok(CompletionStream::accumulating(broken)));
            let mut stream = traced_chat_stream(&info, ChatRequest::default(), open).await.unwrap();
            let events = if taken_early { 2 } else { 3 };
            for _ in 0..events {
                // A panic is the expected end of one of the streams.
                let _ = AssertUnwindSafe(stream.next()).catch_unwind().await;
            }
            assert_eq!(stream.take_partial().unwrap().text(), "Hel", "{model}");
            assert!(stream.next().await.is_none(), "{model}");
            drop(stream);
            assert_eq!(taken.load(Ordering::Relaxed), 1, "{model}");
            let spans = exporter.get_finished_spans().unwrap();
            let span = spans.iter().find(|span| span.name.ends_with(model)).unwrap();
            let input_tokens = span
                .attributes
                .iter()
                .find(|attribute| attribute.key.as_str() == "gen_ai.usage.input_tokens");
            assert_eq!(input_tokens.map(|attribute| &attribute.value), Some(&Value::I64(5)));
        }
    }
}
