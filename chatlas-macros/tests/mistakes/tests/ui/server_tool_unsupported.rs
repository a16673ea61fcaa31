use chatlas_core::{ChatRequest, Completion, Provider, ProviderError, WebSearch};
use chatlas_macros::provider;

struct Echo;

#[provider(name = "echo")]
impl Provider for Echo {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {
    let _ = Echo.with_tool(WebSearch::new());
}
