use std::rc::Rc;

use chatlas_macros::tool;

/// Get the weather.
#[tool]
async fn get_weather() -> u8 {
    let days = Rc::new(1);
    std::future::ready(()).await;
    *days
}

fn main() {}
