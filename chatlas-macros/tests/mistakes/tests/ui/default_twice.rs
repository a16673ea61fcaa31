use chatlas_macros::tool;

/// Searches.
#[tool]
fn search(#[default(1)] #[default(2)] limit: u8) -> u8 {
    limit
}

fn main() {}
