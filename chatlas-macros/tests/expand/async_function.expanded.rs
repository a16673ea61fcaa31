/// Get the weather.
#[allow(
    dead_code,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::ptr_arg,
    clippy::too_many_arguments,
    clippy::used_underscore_binding
)]
pub async fn get_weather(
    city: String,
    days: Option<u8>,
) -> Result<Forecast, WeatherError> {
    ::chatlas::__private::direct(
            ::chatlas::__private::tool_span("get_weather", "Get the weather."),
            get_weather::get_weather(city, days),
            get_weather::__value,
        )
        .await
}
///The tool `get_weather`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
pub struct get_weather {
    _private: (),
}
impl get_weather {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self,
        clippy::unnecessary_wraps
    )]
    async fn get_weather(
        city: String,
        days: Option<u8>,
    ) -> Result<Forecast, WeatherError> {
        forecast(city, days).await
    }
    #[allow(clippy::ptr_arg)]
    fn __value(
        __output: &Result<Forecast, WeatherError>,
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
        "city",
        "The city.",
        &<String as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETER_1: ::chatlas::__private::Parameter<Option<u8>> = ::chatlas::__private::Parameter::new(
        "days",
        "",
        &<Option<u8> as ::chatlas::__private::ToolParameter>::TYPE,
    );
    const __PARAMETERS: &[::chatlas::__private::Param] = &[
        __PARAMETER_0.untyped(),
        __PARAMETER_1.untyped(),
    ];
    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
        "get_weather",
        "Get the weather.",
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
            let __argument_city: String = __PARAMETER_0.take(&mut __arguments)?;
            let __argument_days: Option<u8> = __PARAMETER_1.take(&mut __arguments)?;
            let __output = get_weather::get_weather(__argument_city, __argument_days)
                .await;
            get_weather::__value(&__output, true)
        })
    }
    impl ::chatlas::__private::StatelessTool for get_weather {
        const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
            hash: 12390175757620556628u64,
            text: "get_weather",
        };
        fn tool() -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
            ::chatlas::__private::function(&__SPEC, __call)
        }
    }
};
