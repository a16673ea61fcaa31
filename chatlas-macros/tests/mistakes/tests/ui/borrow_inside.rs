use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather(city: Option<&str>) -> bool {
    city.is_some()
}

fn main() {}
