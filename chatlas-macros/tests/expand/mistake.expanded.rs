#[allow(unused)]
fn add<T>(a: T) -> T {
    a
}
///The tool `add`, for `tools![]`.
#[allow(non_camel_case_types, dead_code)]
struct add {
    _private: (),
}
impl ::chatlas::__private::StatelessTool for add {
    const NAME: ::chatlas::__private::Name = ::chatlas::__private::Name {
        hash: 16648614959733859924u64,
        text: "add",
    };
    fn tool() -> ::chatlas::__private::Arc<dyn ::chatlas::__private::Tool> {
        loop {}
    }
}
::core::compile_error!("unknown argument `nam`; did you mean `name = \"...\"`?")
::core::compile_error!(
    "a tool cannot be generic, because it has one JSON schema; use concrete types",
)
::core::compile_error!(
    "missing description, by which the model selects a tool; write a doc comment or the argument `description = \"...\"`",
)
