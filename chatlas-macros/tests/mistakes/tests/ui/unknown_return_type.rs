use chatlas_macros::tool;

/// Get the weather.
#[tool]
async fn get_weather() -> Forecast {
    todo!()
}

fn main() {}
