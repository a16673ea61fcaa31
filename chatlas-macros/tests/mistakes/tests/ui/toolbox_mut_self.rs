use chatlas_macros::toolbox;

struct Counter(u8);

#[toolbox]
impl Counter {
    /// Counts.
    #[tool]
    fn count(&mut self) -> u8 {
        self.0 += 1;
        self.0
    }

    /// Counts for the last time.
    #[tool]
    fn last(self) -> u8 {
        self.0
    }
}

fn main() {}
