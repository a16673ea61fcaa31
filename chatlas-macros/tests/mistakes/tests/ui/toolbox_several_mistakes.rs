use chatlas_macros::toolbox;

struct Counter;

#[toolbox(name = "counter")]
impl Counter {
    #[tool(nam = "count")]
    fn count(&self, (a, b): (u8, u8)) -> u8 {
        a + b
    }

    /// Counts.
    #[tool(timeout = "1 day")]
    fn again(&mut self) -> impl Into<u8> {
        1
    }
}

fn main() {}
