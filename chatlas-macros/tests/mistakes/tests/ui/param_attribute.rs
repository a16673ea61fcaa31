use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather(#[serde(default)] days: u8) -> u8 {
    days
}

fn main() {}
