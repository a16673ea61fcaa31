use chatlas_macros::tool;

/// Get the way.
#[tool]
fn find_route<'a>(city: &'a str) -> &'a str
where
    'a: 'a,
{
    city
}

/// Get the weather.
#[tool]
fn get_weather(city: &'static str) -> usize {
    city.len()
}

fn main() {}
