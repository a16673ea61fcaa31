use chatlas_macros::tool;

/// Get the weather.
#[tool]
struct GetWeather {
    city: String,
}

fn main() {
    let _ = GetWeather { city: String::new() }.city;
}
