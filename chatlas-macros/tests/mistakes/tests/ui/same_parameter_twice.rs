use chatlas_macros::{tool, tools};

/// Adds.
#[tool]
fn add(a: u8, a: u16) -> u16 {
    a
}

fn main() {
    let _ = tools![add];
}
