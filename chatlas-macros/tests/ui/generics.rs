use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather<T: Into<String>>(city: T) -> String {
    city.into()
}

/// Get the way.
#[tool]
fn find_route<'a>(city: &'a str) -> String
where
    'a: 'a,
{
    city.to_owned()
}

fn main() {}
