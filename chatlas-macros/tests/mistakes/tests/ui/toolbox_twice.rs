use chatlas_macros::{tool, toolbox};

struct Notes;

#[toolbox]
impl Notes {
    /// Adds a note.
    #[tool]
    fn add(&self, text: String) -> usize {
        text.len()
    }
}

#[toolbox]
impl Notes {
    /// Clears the notes.
    #[tool]
    fn clear(&self) {}
}

fn main() {}
