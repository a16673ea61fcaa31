//! The recorded form of the arguments and results of tools, without what is [`Hidden`](crate::tool::Hidden).

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::tool::ToolDefinition;

/// The tools that are available to a model call, with what is hidden of each.
#[derive(Clone, Copy, Default)]
pub(super) struct Tools<'a>(pub(super) &'a [ToolDefinition]);

impl<'a> Tools<'a> {
    fn get(self, name: &str) -> Option<&'a ToolDefinition> {
        self.0.iter().find(|tool| tool.name == name)
    }

    /// Returns the arguments of a call of that tool, as an object without the hidden ones.
    pub(super) fn arguments<'v>(self, name: &str, arguments: &'v Value) -> Cow<'v, Value> {
        match self.get(name) {
            Some(tool) => shown_arguments(tool, arguments),
            None => arguments_object(arguments),
        }
    }

    /// Returns whether the results of that tool are hidden.
    pub(super) fn hides_output(self, name: &str) -> bool {
        self.get(name).is_some_and(|tool| tool.hidden.output)
    }
}

/// Returns the arguments of a call as an object without the hidden ones.
pub(super) fn shown_arguments<'v>(tool: &ToolDefinition, arguments: &'v Value) -> Cow<'v, Value> {
    let mut shown = arguments_object(arguments);
    if !tool.hidden.arguments.is_empty()
        && let Some(fields) = shown.to_mut().as_object_mut()
    {
        // A hidden value may have a misspelled name, or be in arguments that are not an object.
        let properties = tool.parameters.get("properties");
        fields.retain(|name, _| {
            let is_parameter = properties.is_some_and(|all| all.get(name).is_some());
            is_parameter && !tool.hidden.arguments.contains(&name.as_str())
        });
    }
    shown
}

/// Returns the arguments of a tool call as an object, which the conventions require.
///
/// Some vendors send the object as a string, or `null` for no arguments. Any other value is returned
/// in the field `unparsed`.
pub(super) fn arguments_object(arguments: &Value) -> Cow<'_, Value> {
    let parsed = |text: &String| serde_json::from_str(text).ok().filter(Value::is_object);
    match arguments {
        Value::Object(_) => Cow::Borrowed(arguments),
        Value::Null => Cow::Owned(json!({})),
        Value::String(text) => {
            Cow::Owned(parsed(text).unwrap_or_else(|| json!({ "unparsed": text })))
        }
        other => Cow::Owned(json!({ "unparsed": other })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::Hidden;

    fn log_in() -> ToolDefinition {
        let schema = json!({"type": "object", "properties": {"user": {}, "password": {}}});
        let mut tool = ToolDefinition::new("log_in", "Logs in.", schema);
        tool.hidden = Hidden { arguments: &["password"], output: false };
        tool
    }

    #[test]
    fn hidden_arguments_are_removed_in_every_form() {
        let tool = log_in();
        let shown = |arguments: Value| shown_arguments(&tool, &arguments).into_owned();
        let user = json!({"user": "ada"});
        assert_eq!(shown(json!({"user": "ada", "password": "s"})), user);
        assert_eq!(shown(json!({"user": "ada", "pasword": "s"})), user);
        assert_eq!(shown(json!(r#"{"user": "ada", "password": "s"}"#)), user);
        assert_eq!(shown(json!(r#"{"user": "ada", "passw"#)), json!({}));
        assert_eq!(shown(json!(["s"])), json!({}));
    }

    #[test]
    fn other_tools_are_recorded_unchanged() {
        let tools = [log_in()];
        let arguments = json!({"password": "s"});
        assert_eq!(*Tools(&tools).arguments("other", &arguments), arguments);
        assert!(!Tools(&tools).hides_output("log_in"));
    }
}
