use chatlas_macros::tool;

/// Get the weather.
#[tool(timeout = "soon")]
fn get_weather() -> u8 {
    1
}

/// Get the way.
#[tool(timeout = "0s")]
fn find_route() -> u8 {
    1
}

fn main() {}
