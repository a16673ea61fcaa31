use chatlas_macros::agent;

#[agent(skip(promt))]
async fn research(prompt: &str) -> String {
    prompt.to_owned()
}

fn main() {}
