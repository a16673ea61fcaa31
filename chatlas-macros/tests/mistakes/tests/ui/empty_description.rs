use chatlas_macros::tool;

///
#[tool]
fn get_weather() -> u8 {
    1
}

#[tool(description = " ")]
fn find_route() -> u8 {
    1
}

fn main() {}
