/// Sends a message.
#[allow(
    dead_code,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::ptr_arg,
    clippy::too_many_arguments,
    clippy::used_underscore_binding
)]
async fn send(user: &str, text: String, urgent: bool) -> String {
    ::chatlas::__private::direct(
            ::chatlas::__private::tool_span("send", "Sends a message."),
            send::send(user, text, urgent),
            send::__value,
        )
        .await
}
///The tool `send`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
struct send {
    _private: (),
}
impl send {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn send(user: &str, text: String, urgent: bool) -> String {
        ::chatlas::__private::record_fields(
            &mut |facts: &mut ::chatlas::__private::Facts| {
                const _: () = ::chatlas::__private::assert_custom("user.id");
                const _: () = ::chatlas::__private::assert_custom("app.urgent");
                facts
                    .field(
                        "user.id",
                        ::chatlas::__private::FieldValue::to_value(&(user)),
                    );
                facts
                    .field(
                        "app.urgent",
                        ::chatlas::__private::FieldValue::to_value(&(urgent)),
                    );
            },
        );
        deliver(user, text, urgent).await
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
        "user",
        "",
        &<::chatlas::__private::String as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETER_1: ::chatlas::__private::Parameter<String> = ::chatlas::__private::Parameter::new(
        "text",
        "",
        &<String as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETER_2: ::chatlas::__private::Parameter<bool> = ::chatlas::__private::Parameter::new(
        "urgent",
        "",
        &<bool as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETERS: &[::chatlas::__private::Param] = &[
        __PARAMETER_0.untyped(),
        __PARAMETER_1.untyped(),
        __PARAMETER_2.untyped(),
    ];
    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
            "send",
            "Sends a message.",
            __PARAMETERS,
        )
        .skip(&["text"])
        .skip_output();
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
            let __argument_user: ::chatlas::__private::String = __PARAMETER_0
                .take(&mut __arguments)?;
            let __argument_text: String = __PARAMETER_1.take(&mut __arguments)?;
            let __argument_urgent: bool = __PARAMETER_2.take(&mut __arguments)?;
            let __output = send::send(
                    &__argument_user,
                    __argument_text,
                    __argument_urgent,
                )
                .await;
            send::__value(&__output, true)
        })
    }
    impl ::chatlas::__private::StatelessTool for send {
        const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
            hash: 3251584743947114031u64,
            text: "send",
        };
        fn tool() -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
            ::chatlas::__private::function(&__SPEC, __call)
        }
    }
};
