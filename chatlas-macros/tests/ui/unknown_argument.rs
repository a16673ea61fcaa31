use chatlas_macros::tool;

/// Get the weather.
#[tool(title = "Weather", name = "get_weather", name = "weather")]
fn get_weather() -> u8 {
    1
}

fn main() {}
