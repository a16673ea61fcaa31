use chatlas_macros::{tool, tools};

#[tool(name = "get weather", colour = 3)]
async unsafe fn get_weather<T>(&mut days: &mut u8, #[serde(default)] city: Option<&str>) -> u8 {
    days
}

fn main() {
    let _ = tools![get_weather];
}
