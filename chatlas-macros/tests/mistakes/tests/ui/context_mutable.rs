use chatlas_macros::tool;

use chatlas_core::ToolContext;

/// Get the weather.
#[tool]
fn get_weather(#[state] context: &mut ToolContext) -> usize {
    context.call_id().len()
}

fn main() {}
