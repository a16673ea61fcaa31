use chatlas_macros::tool;

/// Get the weather.
#[tool(read_only, destructive)]
fn get_weather() -> u8 {
    1
}

fn main() {}
