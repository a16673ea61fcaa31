use chatlas_macros::tool;

/// Get the weather.
#[tool]
fn get_weather(city: &dyn std::fmt::Display, names: Vec<Box<dyn Fn()>>) -> usize {
    city.to_string().len() + names.len()
}

fn main() {}
