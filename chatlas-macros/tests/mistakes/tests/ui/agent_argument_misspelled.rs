use chatlas_macros::{agent, plan, workflow};

#[agent(nme = "researcher")]
async fn research(prompt: &str) -> String {
    prompt.to_owned()
}

#[workflow(model = "gpt-4o")]
async fn book() {}

#[plan(name = "planner")]
async fn make_plan() {}

#[agent(name = "")]
async fn nameless() {}

fn main() {}
