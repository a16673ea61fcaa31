use chatlas_macros::tool;

/// Get the weather.
#[tool(title = " ")]
fn get_weather() -> u8 {
    1
}

fn main() {}
