use chatlas_core::{ChatRequest, Completion, Provider, ProviderError};
use chatlas_macros::provider;

struct File;

#[provider(name = "file")]
impl Provider for File {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        let _ = std::fs::read_to_string("reply.txt")?;
        Ok(Completion::default())
    }
}

fn main() {}
