use chatlas_core::{ChatRequest, Completion, Provider, ProviderError, ProviderInfo};
use chatlas_macros::provider;

struct Echo;

#[provider]
impl Provider for Echo {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

struct Acme(ProviderInfo);

#[provider(name = "acme")]
impl Provider for Acme {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {}
