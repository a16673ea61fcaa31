fn write(&self, prompt: String) -> Result<impl Stream<Item = String> + use<>, Error> {
    let mut span = ::chatlas::__private::StreamSpan::new(
        ::chatlas::__private::agent_span(
            &mut |facts: &mut ::chatlas::__private::Facts| {
                facts.name("write");
                if facts.captures() {
                    facts.input(::chatlas::__private::show!(prompt));
                }
            },
        ),
    );
    let output = span.open(move || { open(prompt) });
    match output {
        ::chatlas::__private::Result::Ok(output) => {
            ::chatlas::__private::Result::Ok(
                span
                    .follow(
                        output,
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
                    ),
            )
        }
        ::chatlas::__private::Result::Err(error) => {
            {
                use ::chatlas::__private::Plain as _;
                let failed = &error;
                span.fail(
                    &::chatlas::__private::Returned(failed)
                        .error(::chatlas::__private::ToolFailure::to_error),
                );
            }
            ::chatlas::__private::Result::Err(error)
        }
    }
}
