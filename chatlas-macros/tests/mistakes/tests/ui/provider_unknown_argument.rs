use chatlas_core::{ChatRequest, Completion, Provider, ProviderError};
use chatlas_macros::provider;

struct Echo;

#[provider(name = "echo", model = "echo-1")]
impl Provider for Echo {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {}
