use chatlas_macros::{tool, toolbox, tools};

/// Counts.
#[tool]
#[tool(read_only)]
fn count() -> u8 {
    1
}

struct Counter;

#[toolbox]
impl Counter {
    /// Counts again.
    #[tool]
    #[tool]
    fn again(&self) -> u8 {
        1
    }
}

fn main() {
    let _ = tools![count, ..Counter];
}
