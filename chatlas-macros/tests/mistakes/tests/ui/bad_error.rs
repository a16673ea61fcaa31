use chatlas_macros::tool;

struct Rain;

/// Get the weather.
#[tool]
async fn get_weather(days: u8) -> Result<u8, Rain> {
    if days == 0 { Err(Rain) } else { Ok(days) }
}

fn main() {}
