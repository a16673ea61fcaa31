use chatlas_macros::agent;

#[agent(fields(gen_ai.agent.name = "x", user.id = 1, "server.address" = "x"))]
async fn research(prompt: &str) -> String {
    prompt.to_owned()
}

fn main() {}
