/// Queries the database.
#[allow(
    dead_code,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::ptr_arg,
    clippy::too_many_arguments,
    clippy::used_underscore_binding
)]
async fn query(
    db: &Db,
    cache: Cache,
    context: &ToolContext,
    table: &str,
    limit: u32,
) -> Vec<Row> {
    ::chatlas::__private::direct(
            ::chatlas::__private::tool_span("query", "Queries the database."),
            async move {
                query::query(
                        db,
                        cache,
                        &::chatlas::__private::here(context),
                        table,
                        limit,
                    )
                    .await
            },
            query::__value,
        )
        .await
}
///The tool `query`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
struct query {
    _private: (),
}
impl query {
    #[allow(
        clippy::missing_const_for_fn,
        clippy::needless_pass_by_value,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self
    )]
    async fn query(
        db: &Db,
        cache: Cache,
        context: &ToolContext,
        table: &str,
        limit: u32,
    ) -> Vec<Row> {
        db.query(cache, context, table, limit).await
    }
    #[allow(clippy::ptr_arg)]
    fn __value(
        __output: &Vec<Row>,
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
    const __PARAMETER_3: ::chatlas::__private::Parameter<::chatlas::__private::String> = ::chatlas::__private::Parameter::new(
            "table",
            "",
            &<::chatlas::__private::String as ::chatlas::__private::ToolParameter>::TYPE,
        )
        .or("\"all\"");
    const __PARAMETER_4: ::chatlas::__private::Parameter<u32> = ::chatlas::__private::Parameter::new(
            "limit",
            "",
            &<u32 as ::chatlas::__private::ToolParameter>::TYPE,
        )
        .or("");
    const __PARAMETERS: &[::chatlas::__private::Param] = &[
        __PARAMETER_3.untyped(),
        __PARAMETER_4.untyped(),
    ];
    static __SPEC: ::chatlas::__private::Spec = ::chatlas::__private::Spec::new(
        "query",
        "Queries the database.",
        __PARAMETERS,
    );
    impl ::chatlas::__private::NamedTool for query {
        const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
            hash: 12756040312452126403u64,
            text: "query",
        };
    }
    impl<
        __State,
        __Source0,
        __Source1,
    > ::chatlas::__private::ToolFunction<__State, (__Source0, __Source1)> for query
    where
        __State: ::chatlas::__private::Send + ::chatlas::__private::Sync + 'static,
        __Source0: 'static,
        __Source1: 'static,
        ::chatlas::__private::Arc<__State>: ::chatlas::__private::Supply<Db, __Source0>,
        ::chatlas::__private::Arc<
            __State,
        >: ::chatlas::__private::Supply<Cache, __Source1>,
    {
        fn tool(
            __state: &::chatlas::__private::Arc<__State>,
        ) -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
            ::chatlas::__private::bound(
                &__SPEC,
                __state,
                |__state, __call| ::chatlas::__private::Box::pin(async move {
                    let mut __arguments = ::chatlas::__private::Args::new(
                        __call.arguments,
                        __PARAMETERS,
                    )?;
                    let __argument_table: ::chatlas::__private::String = __PARAMETER_3
                        .take_or(
                            &mut __arguments,
                            || ::chatlas::__private::Into::into("all"),
                        )?;
                    let __argument_limit: u32 = __PARAMETER_4
                        .take_or(&mut __arguments, || LIMIT)?;
                    let __context = __call.context;
                    let __output = query::query(
                            ::chatlas::__private::Supply::<
                                Db,
                                __Source0,
                            >::supply(&__state),
                            <Cache as ::chatlas::__private::CloneState>::clone_state(
                                ::chatlas::__private::Supply::<
                                    Cache,
                                    __Source1,
                                >::supply(&__state),
                            ),
                            &__context,
                            &__argument_table,
                            __argument_limit,
                        )
                        .await;
                    query::__value(&__output, true)
                }),
            )
        }
    }
};
