use chatlas_core::{ChatRequest, Completion, CompletionStream, Provider, ProviderError};
use chatlas_macros::provider;

struct Retry<P>(P);

#[provider(transparent)]
impl<P: Provider> Provider for Retry<P> {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.0.chat(request).await
    }
}

struct Cache<P>(P);

#[provider(transparent, name = "cache")]
impl<P: Provider> Provider for Cache<P> {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.0.chat(request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.0.chat_stream(request).await
    }
}

fn main() {}
