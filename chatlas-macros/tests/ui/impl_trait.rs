use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather(city: impl Into<String>) -> String {
    city.into()
}

/// Get the way.
#[tool]
fn find_route() -> impl Into<String> {
    "left"
}

fn main() {}
