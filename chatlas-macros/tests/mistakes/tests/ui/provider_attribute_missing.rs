use chatlas_core::{ChatRequest, Completion, Provider, ProviderError, ProviderInfo};

struct Echo(ProviderInfo);

impl Provider for Echo {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {}
