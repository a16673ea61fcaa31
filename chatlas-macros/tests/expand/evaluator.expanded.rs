async fn brevity(judged: &Judged) -> Score {
    let span = ::chatlas::__private::evaluation_span(
        "brevity",
        &["short", "long"],
        &judged,
    );
    #[allow(clippy::async_yields_async)]
    let output = async move {
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
        if false {
            let never: Score = loop {};
            return never;
        }
        measure(&judged.output)
    };
    ::chatlas::__private::direct(
            span,
            output,
            |output, _| {
                #[allow(unused_imports)]
                use ::chatlas::__private::Plain as _;
                match ::chatlas::__private::Returned(output).split() {
                    ::chatlas::__private::Result::Ok(value) => {
                        ::chatlas::__private::Result::Ok(
                            ::chatlas::__private::score_output(
                                ::chatlas::__private::ToScore::to_score(value),
                            ),
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
