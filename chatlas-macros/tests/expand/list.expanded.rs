fn set() -> ToolSet {
    match ((),) {
        (__state,) => {
            const __NAMES: &[&::chatlas::__private::str] = {
                #[allow(unused_imports)]
                use ::chatlas::__private::Nameless as _;
                &[
                    ::chatlas::__private::NameOf::<get_weather>::NAME,
                    ::chatlas::__private::NameOf::<maps::find_route>::NAME,
                ]
            };
            const _: () = ::chatlas::__private::assert_not_among(
                __NAMES[1usize],
                __NAMES.split_at(1usize).0,
            );
            #[allow(unused_imports)]
            use ::chatlas::__private::Share as _;
            let __state = ::chatlas::__private::no_state();
            ::chatlas::__private::tool_set(
                ::chatlas::__private::vec![
                    <get_weather as ::chatlas::__private::ToolWith<
                        _,
                        _,
                    >>::tool(&__state),
                    <maps::find_route as ::chatlas::__private::ToolWith<
                        _,
                        _,
                    >>::tool(&__state),
                ],
            )
        }
    }
}
