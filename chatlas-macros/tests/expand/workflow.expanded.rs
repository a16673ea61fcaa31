fn book(trip: &Trip) -> usize {
    let span = ::chatlas::__private::SyncSpan::enter(
        ::chatlas::__private::workflow_span(
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.name("book trip");
                if facts.captures() {
                    facts.input(::chatlas::__private::show!(trip));
                }
            },
        ),
    );
    let output = ::chatlas::__private::call(move || {
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
        if false {
            let never: usize = loop {};
            return never;
        }
        trip.legs()
    });
    span.finish(
        &output,
        |output, wanted| {
            #[allow(unused_imports)]
            use ::chatlas::__private::Plain as _;
            match ::chatlas::__private::Returned(output).split() {
                ::chatlas::__private::Result::Ok(value) if wanted => {
                    ::chatlas::__private::Result::Ok(
                        ::chatlas::__private::show!(* value),
                    )
                }
                ::chatlas::__private::Result::Ok(_) => {
                    ::chatlas::__private::Result::Ok(::chatlas::__private::null_output())
                }
                ::chatlas::__private::Result::Err(error) => {
                    ::chatlas::__private::Result::Err(
                        ::chatlas::__private::Returned(error)
                            .error(::chatlas::__private::ToolFailure::to_error),
                    )
                }
            }
        },
    );
    output
}
