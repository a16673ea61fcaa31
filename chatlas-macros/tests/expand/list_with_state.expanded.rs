fn set() -> ToolSet {
    match (app, counter, notes) {
        (__state, __toolbox0, __toolbox1) => {
            const __NAMES: &[::chatlas::__private::Name] = {
                #[allow(unused_imports)]
                use ::chatlas::__private::Nameless as _;
                &[::chatlas::__private::NameOf::<query>::NAME]
            };
            #[allow(unused_imports)]
            use ::chatlas::__private::Share as _;
            let __state = ::chatlas::__private::Shared(__state).share();
            let __toolbox0 = ::chatlas::__private::Shared(__toolbox0).share();
            let __toolbox1 = ::chatlas::__private::Shared(__toolbox1).share();
            fn __open1<
                __T: ::chatlas::__private::Toolbox,
                __T0: ::chatlas::__private::Toolbox,
            >(
                __toolbox: &::chatlas::__private::Arc<__T>,
                _: &::chatlas::__private::Arc<__T0>,
            ) -> ::chatlas::__private::Vec<
                ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool>,
            > {
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
                <__T as ::chatlas::__private::Toolbox>::tools(
                    ::chatlas::__private::Clone::clone(__toolbox),
                )
            }
            let mut __toolbox1 = __open1(&__toolbox1, &__toolbox0);
            fn __open0<__T: ::chatlas::__private::Toolbox>(
                __toolbox: &::chatlas::__private::Arc<__T>,
            ) -> ::chatlas::__private::Vec<
                ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool>,
            > {
                const {
                    ::chatlas::__private::assert_none_among(
                        <__T as ::chatlas::__private::Toolbox>::NAMES,
                        __NAMES,
                    )
                };
                <__T as ::chatlas::__private::Toolbox>::tools(
                    ::chatlas::__private::Clone::clone(__toolbox),
                )
            }
            let mut __toolbox0 = __open0(&__toolbox0);
            let mut __tools = ::chatlas::__private::Vec::new();
            __tools
                .push(<query as ::chatlas::__private::ToolWith<_, _>>::tool(&__state));
            __tools.append(&mut __toolbox0);
            __tools.append(&mut __toolbox1);
            ::chatlas::__private::tool_set(__tools)
        }
    }
}
