use chatlas_macros::tool;

/// Get the weather.
#[tool(read_only = "yes", timeout = 30, title)]
fn get_weather() -> u8 {
    1
}

fn main() {}
