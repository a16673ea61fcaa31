use chatlas_macros::tool;

/// Searches.
#[tool]
fn search(#[default(true)] limit: u8) -> u8 {
    limit
}

fn main() {}
