async fn search(query: &str, top_k: usize) -> Result<Vec<Document>, Error> {
    let span = ::chatlas::__private::retrieval_span(
        &mut |facts: &mut ::chatlas::__private::Facts| {
            facts.data_source(::chatlas::__private::field_value(&("faq")));
            facts.top_k(::chatlas::__private::field_value(&(top_k)));
            if facts.captures() {
                facts.input(::chatlas::__private::show!(query));
            }
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
                    let never: Result<Vec<Document>, Error> = loop {};
                    return never;
                }
                index().search(query, top_k).await
            },
            ::chatlas::__private::documents!(),
        )
        .await
}
