use chatlas_core::tool::DynTool;
use chatlas_core::{ToolError, ToolSet};
use chatlas_macros::{tool, toolbox, tools};

struct Notes;

#[toolbox]
impl Notes {
    /// Adds a note.
    #[tool]
    fn add(&self, text: String) -> usize {
        text.len()
    }
}

fn list(notes: Notes, dyn_tool: DynTool) -> (ToolSet, ToolSet) {
    (tools![notes], tools![dyn_tool])
}

fn plain() -> Result<u8, ToolError> {
    Ok(1)
}

fn main() {
    let _ = list;
    let _ = tools![plain];
    let _ = tools![Notes];
}
