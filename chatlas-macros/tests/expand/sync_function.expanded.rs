/// Joins words.
#[allow(
    dead_code,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::ptr_arg,
    clippy::too_many_arguments,
    clippy::used_underscore_binding
)]
fn join(separator: &str, #[cfg(feature = "many")] words: &[String]) -> String {
    let span = ::chatlas::__private::SyncSpan::enter(
        ::chatlas::__private::tool_span("join-words", "Joins words."),
    );
    let output = join::join(separator, #[cfg(feature = "many")] words);
    span.finish(&output, join::__value);
    output
}
///The tool `join-words`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
struct join {
    _private: (),
}
impl join {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn join(separator: &str, #[cfg(feature = "many")] words: &[String]) -> String {
        words.join(separator)
    }
    #[allow(clippy::ptr_arg)]
    fn __value(
        __output: &String,
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
    const __PARAMETER_0: ::chatlas::__private::Parameter<::chatlas::__private::String> = ::chatlas::__private::Parameter::new(
        "separator",
        "",
        &<::chatlas::__private::String as ::chatlas::__private::ToolParameter>::TYPE,
    );
    #[cfg(feature = "many")]
    const __PARAMETER_1: ::chatlas::__private::Parameter<
        ::chatlas::__private::Vec<String>,
    > = ::chatlas::__private::Parameter::new(
        "words",
        "",
        &<::chatlas::__private::Vec<String> as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETERS: &[::chatlas::__private::Param] = &[
        __PARAMETER_0.untyped(),
        #[cfg(feature = "many")]
        __PARAMETER_1.untyped(),
    ];
    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
            "join-words",
            "Joins words.",
            __PARAMETERS,
        )
        .title("Join")
        .read_only(true)
        .strict(false)
        .timeout(120000u64);
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
            let __argument_separator: ::chatlas::__private::String = __PARAMETER_0
                .take(&mut __arguments)?;
            #[cfg(feature = "many")]
            let __argument_words: ::chatlas::__private::Vec<String> = __PARAMETER_1
                .take(&mut __arguments)?;
            ::chatlas::__private::blocking(move || {
                    let __output = join::join(
                        &__argument_separator,
                        #[cfg(feature = "many")]
                        &__argument_words,
                    );
                    join::__value(&__output, true)
                })
                .await
        })
    }
    impl ::chatlas::__private::StatelessTool for join {
        const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
            hash: 3087132942670811365u64,
            text: "join-words",
        };
        fn tool() -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
            ::chatlas::__private::function(&__SPEC, __call)
        }
    }
};
