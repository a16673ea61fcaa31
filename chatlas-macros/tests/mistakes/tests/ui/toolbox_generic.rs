use chatlas_macros::toolbox;

struct Counter<T>(T);

#[toolbox]
impl<T: Clone> Counter<T> {
    /// Counts.
    #[tool]
    fn count(&self) -> u8 {
        1
    }
}

fn main() {}
