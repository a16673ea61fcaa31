use chatlas_macros::agent;

#[agent(fields(user.id = 1, user.id = 2, "" = 3))]
async fn twice(prompt: &str) -> String {
    prompt.to_owned()
}

fn main() {}
