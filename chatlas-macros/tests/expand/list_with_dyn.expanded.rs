fn set() -> ToolSet {
    match ((), loaded, notes) {
        (__state, __entry1, __entry2) => {
            const __NAMES: &[::chatlas::__private::Name] = {
                #[allow(unused_imports)]
                use ::chatlas::__private::Nameless as _;
                &[::chatlas::__private::NameOf::<(get_weather,)>::NAME]
            };
            #[allow(unused_imports)]
            use ::chatlas::__private::Share as _;
            let __state = ::chatlas::__private::Shared(__state).share();
            let __entry2 = ::chatlas::__private::Shared(__entry2).share();
            let mut __tools = ::chatlas::__private::Vec::new();
            __tools
                .push(
                    <get_weather as ::chatlas::__private::ToolFunction<
                        _,
                        _,
                    >>::tool(&__state),
                );
            __tools.append(&mut ::chatlas::__private::IntoTools::into_tools(__entry1));
            __tools
                .append(
                    &mut ::chatlas::__private::Toolbox::tools(
                        ::chatlas::__private::Clone::clone(&__entry2),
                    ),
                );
            fn __check0<__T: ::chatlas::__private::Toolbox>(
                _: &::chatlas::__private::Arc<__T>,
            ) {
                const {
                    ::chatlas::__private::assert_none_among(
                        <__T as ::chatlas::__private::Toolbox>::NAMES,
                        __NAMES,
                    )
                };
            }
            __check0(&__entry2);
            ::chatlas::__private::checked_tool_set(__tools)
        }
    }
}
