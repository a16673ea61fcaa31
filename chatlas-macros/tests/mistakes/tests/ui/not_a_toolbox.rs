use chatlas_macros::{tool, tools};

/// Get the weather.
#[tool]
fn get_weather() -> u8 {
    1
}

struct Counter;

fn main() {
    let _ = tools![get_weather, ..Counter];
}
