#[::chatlas::__private::async_trait]
impl Provider for Echo {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        ::chatlas::__private::traced_chat(
                ::chatlas::__private::Provider::info(self),
                request,
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
                    echo(request)
                },
            )
            .await
    }
    fn info(&self) -> &::chatlas::__private::ProviderInfo {
        static INFO: ::chatlas::__private::ProviderInfo = ::chatlas::__private::ProviderInfo::new(
            "echo",
        );
        &INFO
    }
    fn __write_the_attribute_provider_above_this_impl(
        &self,
        _: ::chatlas::__private::Witness,
    ) {}
}
