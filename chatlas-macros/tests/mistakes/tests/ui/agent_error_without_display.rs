use chatlas_macros::agent;

struct Failure;

#[agent]
async fn research(prompt: &str) -> Result<String, Failure> {
    Ok(prompt.to_owned())
}

fn main() {}
