use chatlas_macros::tool;

/// Searches.
#[tool]
fn search(#[default] limit: u8, #[default = 3] offset: u8) -> u8 {
    limit + offset
}

fn main() {}
