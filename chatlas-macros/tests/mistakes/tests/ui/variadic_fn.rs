use chatlas_macros::tool;

/// Get there.
#[tool]
fn arrive(days: u8, _: ...) -> u8 {
    days
}

fn main() {}
