use chatlas_macros::agent;

#[agent]
async fn research(#[input] a: &str, #[input] b: &str) -> String {
    format!("{a}{b}")
}

#[agent]
async fn destructured(#[input] (a, b): (u32, u32)) -> u32 {
    a + b
}

fn main() {}
