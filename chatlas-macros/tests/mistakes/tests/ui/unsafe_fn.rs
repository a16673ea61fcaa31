use chatlas_macros::tool;

/// Get the weather.
#[tool]
unsafe fn get_weather(days: u8) -> u8 {
    days
}

fn main() {}
