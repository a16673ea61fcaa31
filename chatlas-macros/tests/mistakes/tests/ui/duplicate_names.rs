use chatlas_macros::{tool, tools};

mod files {
    use chatlas_macros::tool;

    /// Finds a file.
    #[tool]
    pub fn lookup() -> bool {
        true
    }
}

/// Finds a person.
#[tool(name = "lookup")]
fn find() -> bool {
    true
}

fn main() {
    let _ = tools![files::lookup, find];
}
