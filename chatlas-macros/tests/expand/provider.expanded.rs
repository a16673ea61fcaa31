#[::chatlas::__private::async_trait]
impl Provider for Echo {
    fn chat<'life0, 'async_trait>(
        &'life0 self,
        request: ChatRequest,
    ) -> ::chatlas::__private::BoxFuture<'async_trait, Result<Completion, ProviderError>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
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
    }
    fn info(&self) -> &::chatlas::__private::ProviderInfo {
        static INFO: ::chatlas::__private::ProviderInfo = ::chatlas::__private::ProviderInfo::new(
            "echo",
        );
        &INFO
    }
    fn __write_the_attribute_provider_above_this_impl(&self) {}
}
