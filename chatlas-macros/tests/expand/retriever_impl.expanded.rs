#[::chatlas::__private::async_trait]
impl Retriever for Index {
    async fn retrieve(
        &self,
        query: &str,
        top_k: usize,
    ) -> Result<Vec<Document>, OperationError> {
        let span = ::chatlas::__private::retrieval_span(
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.data_source(::chatlas::__private::field_value(&(self.name)));
                facts.top_k(::chatlas::__private::field_value(&(top_k)));
                if facts.captures() {
                    facts.input(::chatlas::__private::show!(query));
                }
            },
        );
        ::chatlas::__private::direct(
                span,
                async move {
                    #[allow(
                        unreachable_code,
                        clippy::diverging_sub_expression,
                        clippy::empty_loop
                    )]
                    if false {
                        let never: Result<Vec<Document>, OperationError> = loop {};
                        return never;
                    }
                    self.search(query, top_k).await
                },
                ::chatlas::__private::documents!(),
            )
            .await
    }
    fn __write_the_attribute_retriever_above_this_impl(&self) {}
}
