use chatlas_core::{Tool, ToolSet};
use chatlas_macros::{tool, toolbox, tools};

struct Counter;

#[toolbox]
impl Counter {
    /// Counts.
    #[tool]
    fn count(&self) -> u8 {
        1
    }
}

/// Get the weather.
#[tool]
fn get_weather() -> u8 {
    1
}

fn main() {
    let _ = tools![get_weather, dyn "find_route"];
    let _ = tools![dyn Counter];
    let _ = tools![dyn get_weather];
    let _ = |tool: &'static dyn Tool| tools![dyn tool];
    let _: ToolSet = tools![get_weather, dyn ToolSet::new()];
}
