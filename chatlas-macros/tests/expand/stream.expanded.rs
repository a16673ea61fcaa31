/// Counts.
#[allow(
    dead_code,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::ptr_arg,
    clippy::too_many_arguments,
    clippy::used_underscore_binding
)]
fn count(to: u8) -> Result<impl Stream<Item = u8>, TooMany> {
    let mut span = ::chatlas::__private::StreamSpan::new(
        ::chatlas::__private::tool_span("count", "Counts."),
    );
    let stream = span.open(move || count::count(to));
    match stream {
        ::chatlas::__private::Result::Ok(stream) => {
            ::chatlas::__private::Result::Ok(span.follow(stream, count::__value))
        }
        ::chatlas::__private::Result::Err(error) => {
            span.fail(&count::__error(&error));
            ::chatlas::__private::Result::Err(error)
        }
    }
}
///The tool `count`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
struct count {
    _private: (),
}
impl count {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    fn count(to: u8) -> Result<impl Stream<Item = u8>, TooMany> {
        Ok(stream::iter(0..to))
    }
    #[allow(clippy::ptr_arg)]
    fn __value(
        __output: &u8,
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
    fn __error(__value: &TooMany) -> ::chatlas::__private::ToolError {
        use ::chatlas::__private::Plain as _;
        ::chatlas::__private::Returned(__value)
            .error(::chatlas::__private::ToolFailure::to_error)
    }
}
const _: () = {
    const __PARAMETER_0: ::chatlas::__private::Parameter<u8> = ::chatlas::__private::Parameter::new(
        "to",
        "",
        &<u8 as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETERS: &[::chatlas::__private::Param] = &[__PARAMETER_0.untyped()];
    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
        "count",
        "Counts.",
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
            let __argument_to: u8 = __PARAMETER_0.take(&mut __arguments)?;
            let __context = __call.context;
            let __stream = match count::count(__argument_to) {
                ::chatlas::__private::Result::Ok(__stream) => __stream,
                ::chatlas::__private::Result::Err(__error) => {
                    return ::chatlas::__private::Result::Err(count::__error(&__error));
                }
            };
            ::chatlas::__private::drain(__stream, &__context, count::__value).await
        })
    }
    impl ::chatlas::__private::StatelessTool for count {
        const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
            hash: 12818901015042040436u64,
            text: "count",
        };
        fn tool() -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
            ::chatlas::__private::function(&__SPEC, __call)
        }
    }
};
