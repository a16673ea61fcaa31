use chatlas_macros::tool;

/// Counts letters and numbers.
#[tool]
fn count(text: str, numbers: [u8]) -> usize {
    text.len() + numbers.len()
}

fn main() {}
