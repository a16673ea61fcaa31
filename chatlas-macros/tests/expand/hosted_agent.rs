#[hosted_agent(provider = "acme")]
impl HostedAgent for Acme {
    fn agent(&self) -> &AgentInfo {
        &self.agent
    }

    async fn invoke(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.send(request).await
    }
}
