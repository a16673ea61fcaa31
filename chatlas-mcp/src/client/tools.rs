//! The definitions of the tools of a server, with names that models accept.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chatlas_core::serde_json::{Value, json};
use chatlas_core::{ToolAnnotations, ToolDefinition};

use super::endpoint::{Filter, McpEndpoint};

/// The maximum length of a name that all vendors accept.
const MAX_NAME: usize = 64;

/// A tool of a server.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) definition: ToolDefinition,
    /// The name on the server.
    pub(super) name: Arc<str>,
}

/// Converts the list of a server: filtered, with valid and unique names.
pub(super) fn listed(tools: Vec<rmcp::model::Tool>, endpoint: &McpEndpoint) -> Vec<Listed> {
    let mut names = HashSet::new();
    let mut list = Vec::with_capacity(tools.len());
    for tool in tools {
        let name = unique_name(&format!("{}{}", endpoint.tool_prefix, tool.name), &mut names);
        let remote = Arc::from(tool.name.as_ref());
        let definition = definition(name, tool);
        // A panic of the program must not end the connection.
        let accepts = |filter: &Filter| {
            catch_unwind(AssertUnwindSafe(|| filter(&definition))).unwrap_or(false)
        };
        if endpoint.filter.as_ref().is_none_or(accepts) {
            list.push(Listed { definition, name: remote });
        }
    }
    list
}

fn definition(name: String, tool: rmcp::model::Tool) -> ToolDefinition {
    let mut schema = Value::Object(Arc::unwrap_or_clone(tool.input_schema));
    // Vendors require the type, and some reject an object without properties.
    if schema.get("type").is_none() {
        schema["type"] = json!("object");
    }
    if schema.get("properties").is_none() {
        schema["properties"] = json!({});
    }
    let mut annotations = ToolAnnotations::new();
    let hints = tool.annotations.unwrap_or_default();
    let title = tool.title.or(hints.title);
    annotations.read_only = hints.read_only_hint;
    annotations.destructive = hints.destructive_hint;
    annotations.idempotent = hints.idempotent_hint;
    annotations.open_world = hints.open_world_hint;
    let description = tool.description.or_else(|| title.clone().map(Into::into));
    annotations.title = title.map(Into::into);
    ToolDefinition::new(name, description.unwrap_or_default(), schema).with_annotations(annotations)
}

/// Returns a name of 1 to 64 ASCII letters, digits, `_` and `-` that is not among `names`.
fn unique_name(name: &str, names: &mut HashSet<String>) -> String {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let valid: String =
        name.chars().map(|c| if is_valid(c) { c } else { '_' }).take(MAX_NAME).collect();
    let valid = if valid.is_empty() { "tool".to_owned() } else { valid };
    let mut unique = valid.clone();
    let mut number = 1;
    while names.contains(&unique) {
        number += 1;
        let suffix = format!("_{number}");
        let rest: String = valid.chars().take(MAX_NAME - suffix.len()).collect();
        unique = rest + &suffix;
    }
    names.insert(unique.clone());
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(list: Value) -> Vec<rmcp::model::Tool> {
        chatlas_core::serde_json::from_value(list).unwrap()
    }

    fn names(list: &[Listed]) -> Vec<&str> {
        list.iter().map(|tool| tool.definition.name.as_ref()).collect()
    }

    #[test]
    fn names_become_valid_and_unique() {
        let long = "x".repeat(80);
        let list = tools(json!([
            {"name": "files/read.all", "inputSchema": {"type": "object"}},
            {"name": "files_read_all", "inputSchema": {"type": "object"}},
            {"name": "wetter\u{e4}", "inputSchema": {"type": "object"}},
            {"name": &long, "inputSchema": {"type": "object"}},
            {"name": format!("{long}2"), "inputSchema": {"type": "object"}},
        ]));
        let endpoint = McpEndpoint::from("http://localhost").with_tool_prefix("a_");
        let list = listed(list, &endpoint);
        let cut = format!("a_{}", "x".repeat(62));
        let numbered = format!("a_{}_2", "x".repeat(60));
        let expected = [
            "a_files_read_all",
            "a_files_read_all_2",
            "a_wetter_",
            cut.as_str(),
            numbered.as_str(),
        ];
        assert_eq!(names(&list), expected);
        assert_eq!(&*list[0].name, "files/read.all");
    }

    #[test]
    fn definitions_keep_schema_and_annotations() {
        let list = tools(json!([{
            "name": "read",
            "title": "Read a file",
            "inputSchema": {"properties": {"path": {"type": "string"}}},
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        }]));
        let list = listed(list, &McpEndpoint::from("http://localhost"));
        let tool = &list[0].definition;
        let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
        assert_eq!((&*tool.parameters, tool.description.as_ref()), (&schema, "Read a file"));
        let expected = ToolAnnotations::new()
            .with_title("Read a file")
            .with_read_only(true)
            .with_open_world(false);
        assert_eq!(tool.annotations, expected);
    }

    #[test]
    fn filtered_tools_are_left_out() {
        let list = tools(json!([
            {"name": "read", "inputSchema": {}, "annotations": {"readOnlyHint": true}},
            {"name": "write", "inputSchema": {}},
        ]));
        let endpoint = McpEndpoint::from("http://localhost")
            .with_tool_filter(|tool| tool.annotations.read_only == Some(true));
        assert_eq!(names(&listed(list, &endpoint)), ["read"]);
    }
}
