use chatlas_macros::agent;

#[agent(fields(gen_ai.agent.name = "x", server.address = "x", user.id = 1, user.id = 2))]
async fn research(prompt: &str) -> String {
    prompt.to_owned()
}

fn main() {}
