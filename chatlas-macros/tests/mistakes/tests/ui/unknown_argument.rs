use chatlas_macros::tool;

/// Get the weather.
#[tool(colour = "blue", name = "weather")]
fn get_weather() -> u8 {
    1
}

fn main() {}
