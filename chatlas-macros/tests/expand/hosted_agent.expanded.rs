#[::chatlas::__private::async_trait]
impl HostedAgent for Acme {
    fn agent(&self) -> &AgentInfo {
        &self.agent
    }
    async fn invoke(&self, __request: ChatRequest) -> Result<Completion, ProviderError> {
        ::chatlas::__private::traced_invoke_agent(
                ::chatlas::__private::HostedAgent::provider(self),
                ::chatlas::__private::HostedAgent::agent(self),
                __request,
                move |request| async move {
                    #[allow(
                        unreachable_code,
                        clippy::diverging_sub_expression,
                        clippy::empty_loop
                    )]
                    if false {
                        let __never: Result<Completion, ProviderError> = loop {};
                        return __never;
                    }
                    self.send(request).await
                },
            )
            .await
    }
    fn provider(&self) -> &::chatlas::__private::ProviderInfo {
        static INFO: ::chatlas::__private::ProviderInfo = ::chatlas::__private::ProviderInfo::new(
            "acme",
        );
        &INFO
    }
    fn __write_the_attribute_hosted_agent_above_this_impl(&self) {}
}
