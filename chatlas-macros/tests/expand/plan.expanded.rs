async fn plan(steps: Vec<Step>) {
    let span = ::chatlas::__private::plan_span(
        &mut |facts: &mut ::chatlas::__private::Facts| {
            facts.name("scheduler");
        },
    );
    #[allow(clippy::async_yields_async)]
    let output = async move {
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
        if false {
            let never: () = loop {};
            return never;
        }
        sort(steps).await
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
