//! Calls of a wrapped provider: complete or streamed until the first content, while another provider can
//! still be called. And a stream whose reply is observed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt as _};

use crate::provider::AccumulatingStream;
use crate::tool::BoxFuture;
use crate::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, Provider, ProviderError,
    ProviderInfo,
};

/// A call of a provider.
pub(super) type Call<T> =
    for<'a> fn(&'a dyn Provider, ChatRequest) -> BoxFuture<'a, Result<T, ProviderError>>;

/// Waits for the complete reply.
pub(super) fn complete(
    provider: &dyn Provider,
    request: ChatRequest,
) -> BoxFuture<'_, Result<Completion, ProviderError>> {
    Box::pin(async move {
        let mut reply = provider.chat(request).await?;
        name_vendor(&mut reply, provider.info());
        Ok(reply)
    })
}

/// Waits until the streamed reply has begun.
pub(super) fn streamed(
    provider: &dyn Provider,
    request: ChatRequest,
) -> BoxFuture<'_, Result<CompletionStream, ProviderError>> {
    Box::pin(async move { begin(provider.chat_stream(request).await?, provider.info()).await })
}

/// Returns the stream unchanged, except that its reply names its vendor.
pub(super) fn named(stream: CompletionStream, info: &ProviderInfo) -> CompletionStream {
    let begun = Begun { read: VecDeque::new(), rest: stream, info: info.clone() };
    CompletionStream::accumulating(begun)
}

/// Sets the vendor and the model of a reply, for its price: the wrapper reports those of its first
/// provider.
fn name_vendor(reply: &mut Completion, info: &ProviderInfo) {
    let call = reply.call.get_or_insert_default();
    if call.vendor.is_empty() {
        call.vendor.clone_from(&info.name);
        call.requested_model.clone_from(&info.model);
    }
}

/// Reads a stream up to the first event with content, and returns a stream of all its events. Returns
/// the error of a stream that fails before.
async fn begin(
    mut stream: CompletionStream,
    info: &ProviderInfo,
) -> Result<CompletionStream, ProviderError> {
    let mut read = VecDeque::new();
    while let Some(event) = stream.next().await {
        let event = event?;
        let has_content =
            !matches!(event, CompletionEvent::Started { .. } | CompletionEvent::Usage(_));
        read.push_back(event);
        if has_content {
            break;
        }
    }
    Ok(CompletionStream::accumulating(Begun { read, rest: stream, info: info.clone() }))
}

/// A stream of which the first events have been read, and whose reply names its vendor.
struct Begun {
    read: VecDeque<CompletionEvent>,
    rest: CompletionStream,
    info: ProviderInfo,
}

impl AccumulatingStream for Begun {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.rest.take_partial()
    }
}

impl Stream for Begun {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut item = match self.read.pop_front() {
            Some(event) => Some(Ok(event)),
            None => ready!(self.rest.poll_next_unpin(task)),
        };
        if let Some(Ok(CompletionEvent::Done(reply))) = &mut item {
            name_vendor(Arc::make_mut(reply), &self.info);
        }
        Poll::Ready(item)
    }
}

/// Returns a stream that calls a function with the complete reply.
pub(super) fn on_done(
    events: CompletionStream,
    call: impl FnOnce(&Completion) + Send + 'static,
) -> CompletionStream {
    CompletionStream::accumulating(Observed { events, call: Some(Box::new(call)) })
}

type Observer = Box<dyn FnOnce(&Completion) + Send>;

struct Observed {
    events: CompletionStream,
    call: Option<Observer>,
}

impl AccumulatingStream for Observed {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.events.take_partial()
    }
}

impl Stream for Observed {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.events.poll_next_unpin(task));
        if let Some(Ok(CompletionEvent::Done(reply))) = &item
            && let Some(call) = self.call.take()
        {
            call(reply);
        }
        Poll::Ready(item)
    }
}
