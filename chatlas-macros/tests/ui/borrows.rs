use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather(city: Option<&str>) -> bool {
    city.is_some()
}

/// Get the way.
#[tool]
fn find_route(city: &'static str) -> usize {
    city.len()
}

/// Sort.
#[tool]
fn sort(numbers: &mut [u8]) -> usize {
    numbers.sort();
    numbers.len()
}

fn main() {}
