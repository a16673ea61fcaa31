#[agent(nam = "x", skip(missing), fields(gen_ai.agent.name = 1))]
#[tool]
async fn research(prompt: &str) -> String {
    prompt.into()
}
