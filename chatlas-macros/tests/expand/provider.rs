#[provider(name = "echo")]
impl Provider for Echo {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        echo(request)
    }
}
