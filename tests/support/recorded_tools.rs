//! Tools that return recorded results.

#![allow(unreachable_pub)] // it is a module of each test binary

use std::collections::HashMap;
use std::sync::Arc;

use chatlas::prelude::*;
use chatlas::tool::BoxFuture;
use chatlas::{ToolCall, ToolDefinition, ToolError, ToolOutput};
use serde_json::Value;

/// Returns tools with these definitions. `outputs` maps the id of a call to its result.
pub fn recorded_tools(
    definitions: impl IntoIterator<Item = ToolDefinition>,
    outputs: HashMap<String, Value>,
) -> ToolSet {
    let outputs = Arc::new(outputs);
    let mut tools = ToolSet::new();
    for definition in definitions {
        let tool = Recorded { definition, outputs: Arc::clone(&outputs) };
        tools.add(Arc::new(tool)).expect("distinct names");
    }
    tools
}

struct Recorded {
    definition: ToolDefinition,
    outputs: Arc<HashMap<String, Value>>,
}

impl Tool for Recorded {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let output = self.outputs.get(&*call.id).cloned();
        let unknown = move || ToolError::new("unrecorded", format!("no output for {}", call.id));
        Box::pin(async move { output.map(ToolOutput::Value).ok_or_else(unknown) })
    }
}
