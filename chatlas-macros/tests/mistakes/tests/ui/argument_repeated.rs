use chatlas_macros::tool;

/// Get the weather.
#[tool(read_only, name = "weather", read_only = false)]
fn get_weather() -> u8 {
    1
}

fn main() {}
