fn set() -> ToolSet {
    match (app, counter, notes) {
        (__state, __entry1, __entry2) => {
            const __NAMES: &[::chatlas::__private::Name] = {
                #[allow(unused_imports)]
                use ::chatlas::__private::Nameless as _;
                &[::chatlas::__private::NameOf::<(query,)>::NAME]
            };
            #[allow(unused_imports)]
            use ::chatlas::__private::Share as _;
            let __state = ::chatlas::__private::Shared(__state).share();
            let __entry1 = ::chatlas::__private::Shared(__entry1).share();
            let __entry2 = ::chatlas::__private::Shared(__entry2).share();
            let mut __tools = ::chatlas::__private::Vec::new();
            __tools
                .push(
                    <query as ::chatlas::__private::ToolFunction<_, _>>::tool(&__state),
                );
            __tools
                .append(
                    &mut ::chatlas::__private::Toolbox::tools(
                        ::chatlas::__private::Clone::clone(&__entry1),
                    ),
                );
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
            __check0(&__entry1);
            fn __check1<
                __T: ::chatlas::__private::Toolbox,
                __T0: ::chatlas::__private::Toolbox,
            >(_: &::chatlas::__private::Arc<__T>, _: &::chatlas::__private::Arc<__T0>) {
                const {
                    ::chatlas::__private::assert_none_among(
                        <__T as ::chatlas::__private::Toolbox>::NAMES,
                        __NAMES,
                    )
                };
                const {
                    ::chatlas::__private::assert_none_among(
                        <__T as ::chatlas::__private::Toolbox>::NAMES,
                        <__T0 as ::chatlas::__private::Toolbox>::NAMES,
                    )
                };
            }
            __check1(&__entry2, &__entry1);
            ::chatlas::__private::tool_set(__tools)
        }
    }
}
