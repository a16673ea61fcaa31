use chatlas_macros::tool;

/// Greets.
#[tool]
fn greet(#[state] greeting: &str) -> usize {
    greeting.len()
}

fn main() {}
