/// Finds facts.
#[allow(
    dead_code,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::ptr_arg,
    clippy::too_many_arguments,
    clippy::used_underscore_binding
)]
async fn research(question: String) -> Result<String, Error> {
    research::research(question).await
}
///The tool `research`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
struct research {
    _private: (),
}
impl research {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn research(question: String) -> Result<String, Error> {
        let span = ::chatlas::__private::agent_span(
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.name("research");
                facts.description("Finds facts.");
                if facts.captures() {
                    facts.input(::chatlas::__private::show!(question));
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
                let never: Result<String, Error> = loop {};
                return never;
            }
            ask(&question).await
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
                                ::chatlas::__private::show!(* value),
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
    #[allow(clippy::ptr_arg)]
    fn __value(
        __output: &Result<String, Error>,
        __wanted: ::chatlas::__private::bool,
    ) -> ::chatlas::__private::Result<
        ::chatlas::__private::ToolOutput,
        ::chatlas::__private::ToolError,
    > {
        use ::chatlas::__private::Plain as _;
        match ::chatlas::__private::Returned(__output).split() {
            ::chatlas::__private::Result::Ok(__value) if __wanted => {
                ::chatlas::__private::Returned(__value)
                    .output(::chatlas::__private::ToolReturn::to_output)
            }
            ::chatlas::__private::Result::Ok(_) => {
                ::chatlas::__private::Result::Ok(::chatlas::__private::null_output())
            }
            ::chatlas::__private::Result::Err(__value) => {
                ::chatlas::__private::Result::Err(
                    ::chatlas::__private::Returned(__value)
                        .error(::chatlas::__private::ToolFailure::to_error),
                )
            }
        }
    }
}
const _: () = {
    const __PARAMETER_0: ::chatlas::__private::Parameter<String> = ::chatlas::__private::Parameter::new(
        "question",
        "The question.",
        &<String as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETERS: &[::chatlas::__private::Param] = &[__PARAMETER_0.untyped()];
    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
        "research",
        "Finds facts.",
        __PARAMETERS,
    );
    fn __call(
        __call: ::chatlas::__private::ToolCall,
    ) -> ::chatlas::__private::BoxFuture<
        'static,
        ::chatlas::__private::Result<
            ::chatlas::__private::ToolOutput,
            ::chatlas::__private::ToolError,
        >,
    > {
        ::chatlas::__private::Box::pin(async move {
            let mut __arguments = ::chatlas::__private::Args::new(
                __call.arguments,
                __PARAMETERS,
            )?;
            let __argument_question: String = __PARAMETER_0.take(&mut __arguments)?;
            let __output = research::research(__argument_question).await;
            research::__value(&__output, true)
        })
    }
    impl ::chatlas::__private::StatelessTool for research {
        const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
            hash: 14531413173594457516u64,
            text: "research",
        };
        fn tool() -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
            ::chatlas::__private::function(&__SPEC, __call)
        }
    }
};
