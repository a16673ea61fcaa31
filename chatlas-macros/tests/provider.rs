//! What `#[provider]` makes of impls.

use std::sync::Arc;

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, Provider, ProviderError,
    ProviderErrorKind, ProviderInfo, Turn,
};
use chatlas_macros::provider;
use futures_core::Stream;

/// Answers with the number of turns it was given.
struct Counter(ProviderInfo);

fn completion(id: &str) -> Completion {
    let mut reply = Completion::default();
    reply.response_id.get_or_insert_with(|| id.to_owned());
    reply
}

#[provider]
impl Provider for Counter {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(
        &self,
        ChatRequest { turns, .. }: ChatRequest,
    ) -> Result<Completion, ProviderError> {
        if turns.is_empty() {
            return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, "no turns"));
        }
        Ok(completion(&turns.len().to_string()))
    }
}

struct Acme;

#[provider(name = "acme")]
impl Provider for Acme {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        tokio::task::yield_now().await;
        Ok(completion("whole"))
    }

    async fn chat_stream(&self, _: ChatRequest) -> Result<CompletionStream, ProviderError> {
        Ok(CompletionStream::whole(completion("streamed")))
    }
}

/// Tries once more.
struct Retry<P>(P);

#[provider(transparent)]
impl<P> Provider for Retry<P>
where
    P: Provider,
{
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        match self.0.chat(request.clone()).await {
            Err(_) => self.0.chat(request).await,
            done => done,
        }
    }
}

async fn last(mut stream: CompletionStream) -> Option<CompletionEvent> {
    let mut last = None;
    while let Some(event) =
        std::future::poll_fn(|task| std::pin::Pin::new(&mut stream).poll_next(task)).await
    {
        last = event.ok();
    }
    last
}

fn id(event: Option<CompletionEvent>) -> Option<String> {
    match event {
        Some(CompletionEvent::Done(reply)) => reply.response_id,
        _ => None,
    }
}

#[tokio::test]
async fn a_pattern_takes_the_request_apart() {
    let provider: Arc<dyn Provider> = Arc::new(Counter(ProviderInfo::new("counter")));
    assert_eq!(provider.info().name, "counter");
    let request = ChatRequest::new([Turn::user("hello")]);
    let reply = provider.chat(request).await.expect("a reply");
    assert_eq!(reply.response_id.as_deref(), Some("1"));
    let error = provider.chat(ChatRequest::default()).await.expect_err("no turns");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_name_is_enough() {
    assert_eq!(Acme.info(), &ProviderInfo::new("acme"));
    let reply = Acme.chat(ChatRequest::default()).await.expect("a reply");
    assert_eq!(reply.response_id.as_deref(), Some("whole"));
    let stream = Acme.chat_stream(ChatRequest::default()).await.expect("a stream");
    assert_eq!(id(last(stream).await).as_deref(), Some("streamed"));
}

#[tokio::test]
async fn a_generic_wrapper_is_transparent() {
    let provider = Retry(Retry(Acme));
    assert_eq!(provider.info().name, "acme");
    let reply = provider.chat(ChatRequest::default()).await.expect("a reply");
    assert_eq!(reply.response_id.as_deref(), Some("whole"));
    let stream = provider.chat_stream(ChatRequest::default()).await.expect("a stream");
    assert_eq!(id(last(stream).await).as_deref(), Some("whole"));
}
