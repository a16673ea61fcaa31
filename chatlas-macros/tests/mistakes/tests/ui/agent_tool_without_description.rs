use chatlas_macros::agent;

#[agent(tool)]
async fn research(question: String) -> String {
    question
}

fn main() {}
