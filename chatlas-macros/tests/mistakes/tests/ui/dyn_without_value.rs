use chatlas_macros::{tool, tools};

/// Get the weather.
#[tool]
fn get_weather() -> u8 {
    1
}

fn main() {
    let _ = tools![get_weather, dyn];
    let _ = tools![dyn, get_weather];
    let _ = tools![dyn ..get_weather];
}
