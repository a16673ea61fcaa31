use chatlas_core::operations::{AgentInfo, HostedAgent};
use chatlas_core::{ChatRequest, Completion, ProviderError};
use chatlas_macros::hosted_agent;

struct Booking(AgentInfo);

#[hosted_agent]
impl HostedAgent for Booking {
    fn agent(&self) -> &AgentInfo {
        &self.0
    }

    async fn invoke(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

fn main() {}
