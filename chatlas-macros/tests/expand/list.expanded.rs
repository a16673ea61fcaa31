fn set() -> ToolSet {
    match ((),) {
        (__state,) => {
            const __NAMES: &[::chatlas::__private::Name] = {
                #[allow(unused_imports)]
                use ::chatlas::__private::Nameless as _;
                &[
                    ::chatlas::__private::NameOf::<(get_weather,)>::NAME,
                    ::chatlas::__private::NameOf::<(maps::find_route,)>::NAME,
                ]
            };
            const _: () = {
                ::chatlas::__private::assert_new(__NAMES, 1usize);
            };
            #[allow(unused_imports)]
            use ::chatlas::__private::Share as _;
            let __state = ::chatlas::__private::Shared(__state).share();
            ::chatlas::__private::tool_set(
                ::chatlas::__private::vec![
                    <get_weather as ::chatlas::__private::ToolFunction<
                        _,
                        _,
                    >>::tool(&__state),
                    <maps::find_route as ::chatlas::__private::ToolFunction<
                        _,
                        _,
                    >>::tool(&__state),
                ],
            )
        }
    }
}
