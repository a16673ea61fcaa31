use chatlas_macros::tool;

/// Get the weather.
#[tool]
unsafe fn get_weather(days: u8) -> u8 {
    days
}

/// Get the way.
#[tool]
const fn find_route(days: u8) -> u8 {
    days
}

/// Get there.
#[tool]
extern "C" fn arrive(days: u8) -> u8 {
    days
}

fn main() {}
