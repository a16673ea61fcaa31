/// Finds facts.
pub async fn research(
    session: &Session,
    prompt: &str,
    tenant: u32,
) -> Result<String, Error> {
    let span = ::chatlas::__private::agent_span(
        &mut |facts: &mut ::chatlas::__private::Facts| {
            const _: () = ::chatlas::__private::assert_custom("app.tenant");
            const _: () = ::chatlas::__private::assert_custom("user.id");
            facts.name("researcher");
            facts.description("Finds facts.");
            facts.model("gpt-4o");
            facts
                .conversation(::chatlas::__private::FieldValue::to_value(&(session.id)));
            if facts.captures() {
                facts.input(::chatlas::__private::show!(prompt));
            }
            facts
                .field(
                    "app.tenant",
                    ::chatlas::__private::FieldValue::to_value(&(tenant)),
                );
            facts
                .field(
                    "user.id",
                    ::chatlas::__private::FieldValue::to_value(&(session.user)),
                );
        },
    );
    #[allow(clippy::async_yields_async)]
    let output = async move {
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
        if false {
            let never: Result<String, Error> = loop {};
            return never;
        }
        let answer = ask(prompt).await?;
        Ok(answer)
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
