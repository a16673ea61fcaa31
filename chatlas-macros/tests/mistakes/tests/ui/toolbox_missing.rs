use chatlas_macros::tool;

struct Counter;

impl Counter {
    /// Counts.
    #[tool]
    fn count(&self) -> u8 {
        1
    }
}

fn main() {
    Counter.count();
}
