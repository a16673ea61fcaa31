use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather((city, days): (String, u8)) -> String {
    format!("{city} {days}")
}

/// Get the way.
#[tool]
fn find_route(_: String) -> u8 {
    1
}

fn main() {}
