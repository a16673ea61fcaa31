#[::chatlas::__private::async_trait]
impl MemoryStore for Notes {
    async fn search(
        &self,
        query: &str,
        __argument2: usize,
    ) -> Result<Vec<MemoryRecord>, OperationError> {
        let span = ::chatlas::__private::memory_span(
            "search_memory",
            true,
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.store(::chatlas::__private::FieldValue::to_value(&("notes")));
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
                let never: Result<Vec<MemoryRecord>, OperationError> = loop {};
                return never;
            }
            Ok(self.find(query))
        };
        ::chatlas::__private::direct(
                span,
                output,
                |output, wanted| {
                    #[allow(unused_imports)]
                    use ::chatlas::__private::Plain as _;
                    match ::chatlas::__private::Returned(output).split() {
                        ::chatlas::__private::Result::Ok(value) => {
                            ::chatlas::__private::Result::Ok(
                                ::chatlas::__private::found_records(value, wanted),
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
    async fn create(
        &self,
        records: Vec<MemoryRecord>,
    ) -> Result<Vec<String>, OperationError> {
        let span = ::chatlas::__private::memory_span(
            "create_memory",
            true,
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.store(::chatlas::__private::FieldValue::to_value(&("notes")));
                facts.records(&records, true);
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
                let never: Result<Vec<String>, OperationError> = loop {};
                return never;
            }
            Ok(self.insert(records))
        };
        ::chatlas::__private::direct(
                span,
                output,
                |output, _| {
                    #[allow(unused_imports)]
                    use ::chatlas::__private::Plain as _;
                    match ::chatlas::__private::Returned(output).split() {
                        ::chatlas::__private::Result::Ok(value) => {
                            ::chatlas::__private::Result::Ok(
                                ::chatlas::__private::new_ids(value),
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
    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        let span = ::chatlas::__private::memory_span(
            "delete_memory",
            true,
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.store(::chatlas::__private::FieldValue::to_value(&("notes")));
                facts.ids(&ids);
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
                let never: Result<(), OperationError> = loop {};
                return never;
            }
            Ok(self.remove(&ids))
        };
        ::chatlas::__private::direct(
                span,
                output,
                |output, _| {
                    #[allow(unused_imports)]
                    use ::chatlas::__private::Plain as _;
                    match ::chatlas::__private::Returned(output).split() {
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
    fn __write_the_attribute_memory_above_this_impl(&self) {}
}
