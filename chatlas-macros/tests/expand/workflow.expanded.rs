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
    span.finish(&output, ::chatlas::__private::outcome!());
    output
}
