use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather(city: impl Into<String>) -> String {
    city.into()
}

fn main() {}
