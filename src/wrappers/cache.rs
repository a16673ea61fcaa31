//! Answers repeated requests from a cache.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt as _};
use serde_json::json;

use crate::content::Content;
use crate::provider::AccumulatingStream;
use crate::tool::BoxFuture;
use crate::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, EmbeddingRequest, Embeddings,
    FinishReason, Model, Provider, ProviderError, ProviderInfo, provider,
};

/// Where a [`Cache`] keeps replies. `MemoryCache` (feature `cache`) keeps them in this process; implement
/// this trait to share them between processes.
///
/// A cache that fails must not fail the call: return `None`, and report the failure elsewhere.
pub trait ReplyCache: Send + Sync + 'static {
    /// Returns the reply that was stored under a key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Completion>>;

    /// Stores a reply. The call returns its reply when the future is ready.
    fn put<'a>(&'a self, key: &'a str, reply: &'a Completion) -> BoxFuture<'a, ()>;
}

impl<C: ReplyCache + ?Sized> ReplyCache for Arc<C> {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Completion>> {
        (**self).get(key)
    }

    fn put<'a>(&'a self, key: &'a str, reply: &'a Completion) -> BoxFuture<'a, ()> {
        (**self).put(key, reply)
    }
}

/// Answers a request from a cache if an equal one was answered before.
///
/// Requests are equal if the vendor, the model, the system prompt, the contents of all turns, the tools,
/// the parameters and the output schema are. Only complete replies are stored. A hit costs no tokens: its
/// `chat` span has `chatlas.answered_by_wrapper` and no usage, although the reply repeats the usage of the
/// first call. Embeddings are not cached.
///
/// The key is the JSON of the request, so it contains the conversation. A cache outside of this process
/// should store a hash of it.
pub struct Cache {
    inner: Arc<dyn Provider>,
    replies: Arc<dyn ReplyCache>,
}

impl Cache {
    /// Creates a cache in front of a provider.
    pub fn new(provider: impl Provider, replies: impl ReplyCache) -> Self {
        Self { inner: Arc::new(provider), replies: Arc::new(replies) }
    }

    /// Returns what identifies equal requests.
    fn key(&self, request: &ChatRequest) -> String {
        let info = self.inner.info();
        let turns: Vec<_> = request
            .turns
            .iter()
            .map(|turn| {
                let is_user = matches!(turn.as_ref(), crate::Turn::User(_));
                let contents: &[Content] = turn.contents();
                (if is_user { "user" } else { "assistant" }, contents)
            })
            .collect();
        let tools: Vec<_> = request
            .tools
            .iter()
            .map(|tool| json!([tool.name, tool.description, tool.parameters]))
            .collect();
        json!({
            "provider": info.name,
            "model": info.model.as_deref(),
            "system": request.system_prompt.as_deref(),
            "turns": turns,
            "tools": tools,
            "params": *request.params,
            "output": request.output.as_ref().map(|output| &output.schema),
        })
        .to_string()
    }
}

/// Marks a stored reply, so that its tokens are not counted again.
fn cached(reply: Completion) -> Completion {
    reply.with_call(crate::ModelCall::default().with_cached(true))
}

/// Returns whether another call may get this reply.
fn is_complete(reply: &Completion) -> bool {
    !reply.partial
        && matches!(reply.finish_reason, None | Some(FinishReason::Stop | FinishReason::ToolCall))
}

#[provider(transparent, crate = crate)]
impl Provider for Cache {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let key = self.key(&request);
        if let Some(hit) = self.replies.get(&key).await {
            return Ok(cached(hit));
        }
        let reply = self.inner.chat(request).await?;
        if is_complete(&reply) {
            self.replies.put(&key, &reply).await;
        }
        Ok(reply)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let key = self.key(&request);
        if let Some(hit) = self.replies.get(&key).await {
            return Ok(CompletionStream::from_completion(cached(hit)));
        }
        let events = self.inner.chat_stream(request).await?;
        let replies = Arc::clone(&self.replies);
        Ok(CompletionStream::accumulating(Stored {
            events,
            to: Some((replies, key)),
            storing: None,
        }))
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        self.inner.list_models().await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        self.inner.count_tokens(request).await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        self.inner.embed(request).await
    }

    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        let replies = Arc::clone(&self.replies);
        Ok(Arc::new(Self { inner: self.inner.for_model(model)?, replies }))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("provider", &self.inner.info().name).finish_non_exhaustive()
    }
}

/// A streamed reply that is stored before its last event is yielded.
struct Stored {
    events: CompletionStream,
    /// Where the reply will be stored, until it is.
    to: Option<(Arc<dyn ReplyCache>, String)>,
    storing: Option<(BoxFuture<'static, ()>, CompletionEvent)>,
}

impl AccumulatingStream for Stored {
    fn take_partial(mut self: Pin<&mut Self>) -> Option<Completion> {
        self.events.take_partial()
    }
}

impl Stream for Stored {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.storing.is_none() {
            let item = ready!(this.events.poll_next_unpin(task));
            let Some(Ok(CompletionEvent::Done(reply))) = &item else { return Poll::Ready(item) };
            let Some((replies, key)) = this.to.take().filter(|_| is_complete(reply)) else {
                return Poll::Ready(item);
            };
            let reply = Arc::clone(reply);
            let done = CompletionEvent::Done(Arc::clone(&reply));
            let stored = async move { replies.put(&key, &reply).await };
            this.storing = Some((Box::pin(stored), done));
        }
        if let Some((stored, _)) = &mut this.storing {
            ready!(stored.as_mut().poll(task));
        }
        Poll::Ready(this.storing.take().map(|(_, done)| Ok(done)))
    }
}
