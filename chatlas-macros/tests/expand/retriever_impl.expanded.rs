#[::chatlas::__private::async_trait]
impl Retriever for Index {
    async fn retrieve(
        &self,
        query: &str,
        top_k: usize,
    ) -> Result<Vec<Document>, OperationError> {
        let span = ::chatlas::__private::retrieval_span(
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts
                    .data_source(
                        ::chatlas::__private::FieldValue::to_value(&(self.name)),
                    );
                facts.top_k(::chatlas::__private::FieldValue::to_value(&(top_k)));
                if facts.captures() {
                    facts.input(::chatlas::__private::show!(query));
                }
            },
        );
        #[allow(clippy::async_yields_async)]
        let output = async move {
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
        };
        ::chatlas::__private::direct(
                span,
                output,
                |output, wanted| {
                    #[allow(unused_imports)]
                    use ::chatlas::__private::Plain as _;
                    match ::chatlas::__private::Returned(output).split() {
                        ::chatlas::__private::Result::Ok(value) if wanted => {
                            ::chatlas::__private::Result::Ok(
                                ::chatlas::__private::Documents::to_output(value),
                            )
                        }
                        ::chatlas::__private::Result::Ok(_) => {
                            ::chatlas::__private::Result::Ok(
                                ::chatlas::__private::null_output(),
                            )
                        }
                        ::chatlas::__private::Result::Err(error) => {
                            ::chatlas::__private::Result::Err(
                                ::chatlas::__private::Returned(error)
                                    .error(::chatlas::__private::ToolFailure::to_error),
                            )
                        }
                    }
                },
            )
            .await
    }
    fn __write_the_attribute_retriever_above_this_impl(&self) {}
}
