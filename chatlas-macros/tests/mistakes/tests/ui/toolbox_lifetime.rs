use chatlas_macros::toolbox;

struct Names<'a>(&'a [String]);

#[toolbox]
impl Names<'_> {
    /// Counts them.
    #[tool]
    fn count(&self) -> usize {
        self.0.len()
    }
}

fn main() {}
