use chatlas_macros::tool;

/// Searches.
#[tool]
fn search(#[default("ten")] limit: usize) -> usize {
    limit
}

fn main() {}
