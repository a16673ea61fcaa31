use chatlas_core::{ChatRequest, Completion, CompletionStream, Provider, ProviderError};
use chatlas_macros::provider;

struct Echo;

#[provider(name = "echo")]
impl Provider for Echo {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }

    async fn stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        Ok(CompletionStream::from_completion(self.chat(request).await?))
    }
}

fn main() {}
