use chatlas_macros::{tool, tools};

/// Get the weather.
#[tool]
fn get_weather() -> u8 {
    1
}

/// Get the way.
#[tool]
fn find_route() -> u8 {
    1
}

fn main() {
    let _ = tools![get_weather, find_route, self::get_weather];
}
