use chatlas_macros::{hosted_agent, memory};

#[memory]
async fn remember(_text: &str) {}

#[hosted_agent]
struct Agent;

fn main() {}
