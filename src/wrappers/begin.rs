//! Calls of a wrapped provider: complete or streamed until the first content, while another provider can
//! still be called. And a stream whose reply is observed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt as _};

use crate::provider::AccumulatingStream;
use crate::tool::BoxFuture;
use crate::{ChatRequest, Completion, CompletionEvent, CompletionStream, Provider, ProviderError};

/// A call of a provider.
pub(super) type Call<T> =
    for<'a> fn(&'a dyn Provider, ChatRequest) -> BoxFuture<'a, Result<T, ProviderError>>;

/// Waits for the complete reply.
pub(super) fn complete(
    provider: &dyn Provider,
    request: ChatRequest,
) -> BoxFuture<'_, Result<Completion, ProviderError>> {
    provider.chat(request)
}

/// Waits until the streamed reply has begun.
pub(super) fn streamed(
    provider: &dyn Provider,
    request: ChatRequest,
) -> BoxFuture<'_, Result<CompletionStream, ProviderError>> {
    Box::pin(async move { begin(provider.chat_stream(request).await?).await })
}

/// Reads a stream up to the first event with content, and returns a stream of all its events. Returns
/// the error of a stream that fails before.
async fn begin(mut stream: CompletionStream) -> Result<CompletionStream, ProviderError> {
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
    Ok(CompletionStream::accumulating(Begun { read, rest: stream }))
}

/// A stream of which the first events have been read.
struct Begun {
    read: VecDeque<CompletionEvent>,
    rest: CompletionStream,
}

impl AccumulatingStream for Begun {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.rest.take_partial()
    }
}

impl Stream for Begun {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.read.pop_front() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => self.rest.poll_next_unpin(task),
        }
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
