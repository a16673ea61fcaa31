use chatlas_macros::tool;

#[derive(serde::Deserialize)]
struct City;

/// Get the weather.
#[tool]
async fn get_weather(city: City, days: u8) -> u8 {
    let City = city;
    days
}

fn main() {}
