use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather<T: Into<String>>(city: T) -> String {
    city.into()
}

fn main() {}
