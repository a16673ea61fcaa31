async fn brevity(judged: &Judged) -> Score {
    let span = ::chatlas::__private::evaluation_span(
        "brevity",
        &["short", "long"],
        &judged,
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
                    let never: Score = loop {};
                    return never;
                }
                measure(&judged.output)
            },
            ::chatlas::__private::score!(),
        )
        .await
}
