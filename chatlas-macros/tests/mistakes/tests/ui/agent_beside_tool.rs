use chatlas_macros::{agent, tool};

#[agent]
#[tool]
async fn research(prompt: &str) -> String {
    prompt.to_owned()
}

/// Searches.
#[tool]
#[chatlas_macros::retriever]
async fn search(query: &str) -> Vec<String> {
    vec![query.to_owned()]
}

fn main() {}
