use chatlas_core::ToolSet;
use chatlas_macros::tool;

/// Counts.
#[tool]
fn count(text: String) -> usize {
    text.len()
}

fn main() {
    let mut tools = ToolSet::new();
    let _ = tools.add(count);
}
