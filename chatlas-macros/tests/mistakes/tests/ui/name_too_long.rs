use chatlas_macros::tool;

/// Get the weather.
#[tool(name = "get_the_weather_forecast_for_a_city_of_this_world_and_for_some_days")]
fn get_weather() -> u8 {
    1
}

fn main() {}
