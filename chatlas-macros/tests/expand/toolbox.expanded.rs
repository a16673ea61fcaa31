impl Counter {
    fn step(&self) -> u32 {
        1
    }
    /// Adds to the counter.
    #[allow(
        dead_code,
        clippy::missing_errors_doc,
        clippy::must_use_candidate,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::used_underscore_binding
    )]
    pub async fn add(&self, amount: u32) -> u32 {
        ::chatlas::__private::direct(
                ::chatlas::__private::tool_span("add", "Adds to the counter."),
                <Counter>::__chatlas_add(self, amount),
                <Counter>::__chatlas_add_value,
            )
            .await
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self,
        clippy::unnecessary_wraps
    )]
    async fn __chatlas_add(&self, amount: u32) -> u32 {
        self.step() * amount
    }
    #[allow(clippy::ptr_arg)]
    fn __chatlas_add_value(
        __output: &u32,
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
    /// Adds another.
    #[cfg(unix)]
    #[allow(
        dead_code,
        clippy::missing_errors_doc,
        clippy::must_use_candidate,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::used_underscore_binding
    )]
    fn append(&self, other: Self) -> Result<(), String> {
        let span = ::chatlas::__private::SyncSpan::enter(
            ::chatlas::__private::tool_span("join", "Adds another."),
        );
        let output = <Counter>::__chatlas_append(self, other);
        span.finish(&output, <Counter>::__chatlas_append_value);
        output
    }
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    #[cfg(unix)]
    fn __chatlas_append(&self, other: Self) -> Result<(), String> {
        Ok(())
    }
    #[cfg(unix)]
    #[allow(clippy::ptr_arg)]
    fn __chatlas_append_value(
        __output: &Result<(), String>,
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
    impl ::chatlas::__private::Toolbox for Counter
    where
        Counter: ::chatlas::__private::Send + ::chatlas::__private::Sync,
    {
        const NAMES: &'static [::chatlas::__private::Name] = &[
            ::chatlas::__private::Name {
                hash: 16648614959733859924u64,
                text: "add",
            },
            #[cfg(unix)]
            ::chatlas::__private::Name {
                hash: 4746498093286232377u64,
                text: "join",
            },
        ];
        fn tools(
            self: ::chatlas::__private::Arc<Self>,
        ) -> ::chatlas::__private::Vec<
            ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool>,
        > {
            let mut __tools = ::chatlas::__private::Vec::new();
            __tools
                .push({
                    const __PARAMETER_0: ::chatlas::__private::Parameter<u32> = ::chatlas::__private::Parameter::new(
                        "amount",
                        "",
                        &<u32 as ::chatlas::__private::ToolParameter>::TYPE,
                    );
                    const __PARAMETERS: &[::chatlas::__private::Param] = &[
                        __PARAMETER_0.untyped(),
                    ];
                    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
                        "add",
                        "Adds to the counter.",
                        __PARAMETERS,
                    );
                    ::chatlas::__private::bound(
                        &__SPEC,
                        &self,
                        |__this, __call| ::chatlas::__private::Box::pin(async move {
                            let mut __arguments = ::chatlas::__private::Args::new(
                                __call.arguments,
                                __PARAMETERS,
                            )?;
                            let __argument_amount: u32 = __PARAMETER_0
                                .take(&mut __arguments)?;
                            let __output = <Counter>::__chatlas_add(
                                    &__this,
                                    __argument_amount,
                                )
                                .await;
                            <Counter>::__chatlas_add_value(&__output, true)
                        }),
                    )
                });
            #[cfg(unix)]
            __tools
                .push({
                    const __PARAMETER_0: ::chatlas::__private::Parameter<Counter> = ::chatlas::__private::Parameter::new(
                        "other",
                        "",
                        &<Counter as ::chatlas::__private::ToolParameter>::TYPE,
                    );
                    const __PARAMETERS: &[::chatlas::__private::Param] = &[
                        __PARAMETER_0.untyped(),
                    ];
                    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
                        "join",
                        "Adds another.",
                        __PARAMETERS,
                    );
                    ::chatlas::__private::bound(
                        &__SPEC,
                        &self,
                        |__this, __call| ::chatlas::__private::Box::pin(async move {
                            let mut __arguments = ::chatlas::__private::Args::new(
                                __call.arguments,
                                __PARAMETERS,
                            )?;
                            let __argument_other: Self = __PARAMETER_0
                                .take(&mut __arguments)?;
                            ::chatlas::__private::blocking(move || {
                                    let __output = <Counter>::__chatlas_append(
                                        &__this,
                                        __argument_other,
                                    );
                                    <Counter>::__chatlas_append_value(&__output, true)
                                })
                                .await
                        }),
                    )
                });
            __tools
        }
    }
};
