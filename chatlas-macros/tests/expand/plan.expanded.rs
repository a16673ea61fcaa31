async fn plan(steps: Vec<Step>) {
    let span = ::chatlas::__private::plan_span(
        &mut |facts: &mut ::chatlas::__private::Facts| {
            facts.name("scheduler");
        },
    );
    ::chatlas::__private::direct(
            span,
            async move {
                #[allow(
                    unreachable_code,
                    clippy::diverging_sub_expression,
                    clippy::empty_loop
                )]
                if false {
                    let never: () = loop {};
                    return never;
                }
                sort(steps).await
            },
            ::chatlas::__private::hidden!(),
        )
        .await
}
