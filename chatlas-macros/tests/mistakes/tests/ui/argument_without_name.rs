use chatlas_macros::tool;

/// Adds.
#[tool("Adds two numbers.")]
fn add(a: u8, b: u8) -> u8 {
    a + b
}

fn main() {}
