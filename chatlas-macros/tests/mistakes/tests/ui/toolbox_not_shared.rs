use std::cell::Cell;

use chatlas_macros::toolbox;

struct Counter(Cell<u8>);

#[toolbox]
impl Counter {
    /// Counts.
    #[tool]
    async fn count(&self) -> u8 {
        self.0.get()
    }

    /// Counts again.
    #[tool]
    fn count_again(&self) -> u8 {
        self.0.get()
    }
}

fn main() {}
