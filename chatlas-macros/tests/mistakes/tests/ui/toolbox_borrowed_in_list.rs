use chatlas_macros::{toolbox, tools};

struct Notes;

#[toolbox]
impl Notes {
    /// Counts.
    #[tool]
    fn count(&self) -> usize {
        0
    }
}

fn main() {
    let notes = Notes;
    let _ = tools![..&notes];
}
