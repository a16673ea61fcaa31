use chatlas_macros::tool;

/// Get there.
#[tool]
extern "C" fn arrive(days: u8) -> u8 {
    days
}

fn main() {}
