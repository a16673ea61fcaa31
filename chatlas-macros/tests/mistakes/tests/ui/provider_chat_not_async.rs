use chatlas_core::{ChatRequest, Completion, Provider, ProviderError};
use chatlas_macros::provider;

struct Echo;

#[provider(name = "echo")]
impl Provider for Echo {
    fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {}
