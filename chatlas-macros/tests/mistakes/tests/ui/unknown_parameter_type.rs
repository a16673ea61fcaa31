use chatlas_macros::tool;

/// Get the weather.
#[tool]
async fn get_weather(city: City) -> u8 {
    todo!()
}

fn main() {}
