use chatlas_macros::tool;

struct Forecast;

/// Get the weather.
#[tool]
async fn get_weather(days: u8) -> Forecast {
    let _ = days;
    Forecast
}

fn main() {}
