use chatlas_macros::tool;

/// The size.
#[tool]
fn größe() -> u8 {
    1
}

/// The weather.
#[tool(name = "get weather")]
fn get_weather() -> u8 {
    1
}

fn main() {}
