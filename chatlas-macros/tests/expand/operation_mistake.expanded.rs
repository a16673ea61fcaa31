#[allow(unused)]
async fn research(prompt: &str) -> String {
    prompt.into()
}
::core::compile_error!("unknown argument `nam`; did you mean `name = \"...\"`?")
::core::compile_error!(
    "`#[tool]` and `#[agent]` cannot be combined; write one attribute: `#[agent(tool)]`",
)
::core::compile_error!(
    "there is no parameter `missing`; `skip` takes names of parameters (`prompt`) and `output` for the return value",
)
