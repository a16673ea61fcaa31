use chatlas_core::{ChatRequest, Completion, Provider, ProviderError};
use chatlas_macros::provider;

struct Echo;

#[async_trait::async_trait]
#[provider(name = "echo")]
impl Provider for Echo {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

struct Above;

#[provider(name = "above")]
#[async_trait::async_trait]
impl Provider for Above {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {}
