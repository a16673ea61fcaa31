use chatlas_macros::tool;

/// Get the way.
#[tool]
const fn find_route(days: u8) -> u8 {
    days
}

fn main() {}
