use chatlas_macros::tool;

/// Get the weather.
#[tool(readonly, tite = "Weather", time_out = "3s")]
fn get_weather() -> u8 {
    1
}

fn main() {}
