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
                span.follow(output, ::chatlas::__private::outcome!()),
            )
        }
        ::chatlas::__private::Result::Err(error) => {
            span.fail(&::chatlas::__private::failure!(error));
            ::chatlas::__private::Result::Err(error)
        }
    }
}
