//! Converts tools and their results to the protocol.

use std::sync::Arc;

use chatlas_core::content::{Content, Media, MediaSource};
use chatlas_core::serde_json::{self, Value};
use chatlas_core::{ToolAnnotations, ToolDefinition, ToolError, ToolOutput};
use rmcp::model::{self, CallToolResult, ContentBlock, ResourceContents};

pub(super) fn definition(tool: &ToolDefinition) -> model::Tool {
    let schema = tool.parameters.as_object().cloned().unwrap_or_default();
    let definition =
        model::Tool::new(tool.name.clone(), tool.description.clone(), Arc::new(schema));
    if tool.annotations == ToolAnnotations::default() {
        return definition;
    }
    let hints = &tool.annotations;
    definition.with_annotations(model::ToolAnnotations::from_raw(
        hints.title.as_ref().map(ToString::to_string),
        hints.read_only,
        hints.destructive,
        hints.idempotent,
        hints.open_world,
    ))
}

/// Returns the result for the client. A failed tool is a result, too: clients show its text to the
/// model, and no text of a JSON-RPC error.
pub(super) fn call_result(outcome: Result<ToolOutput, ToolError>) -> CallToolResult {
    match outcome {
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error.message())]),
        Ok(ToolOutput::Value(value @ Value::Object(_))) => CallToolResult::structured(value),
        Ok(ToolOutput::Value(Value::String(text))) => {
            CallToolResult::success(vec![ContentBlock::text(text)])
        }
        Ok(ToolOutput::Value(value)) => {
            CallToolResult::success(vec![ContentBlock::text(value.to_string())])
        }
        Ok(ToolOutput::Contents(contents)) => {
            CallToolResult::success(contents.into_iter().map(block).collect())
        }
        Ok(_) => CallToolResult::error(vec![ContentBlock::text("unsupported output")]),
    }
}

pub(super) fn block(content: Content) -> ContentBlock {
    match content {
        Content::Text(text) => ContentBlock::text(text.text),
        Content::Image(Media { source: MediaSource::Base64 { mime_type, data }, .. }) => {
            ContentBlock::image(data, mime_type)
        }
        Content::Document(Media {
            source: MediaSource::Base64 { mime_type, data }, name, ..
        }) => {
            let uri = format!("document:{}", name.as_deref().unwrap_or("unnamed"));
            ContentBlock::resource(ResourceContents::blob(data, uri).with_mime_type(mime_type))
        }
        Content::Image(media) | Content::Document(media) => {
            let MediaSource::Url { url } = media.source else {
                return ContentBlock::text("[a file of a model vendor]");
            };
            let name = media.name.unwrap_or_else(|| url.clone());
            ContentBlock::resource_link(model::Resource::new(url, name))
        }
        other => ContentBlock::text(serde_json::to_string(&other).unwrap_or_default()),
    }
}

/// Returns the amount, the total and the message of a progress report. A number is the amount, a text
/// the message; an object may have all three.
pub(super) fn progress(output: ToolOutput) -> (Option<f64>, Option<f64>, Option<String>) {
    match output {
        ToolOutput::Value(Value::String(text)) => (None, None, Some(text)),
        ToolOutput::Value(Value::Number(amount)) => (amount.as_f64(), None, None),
        ToolOutput::Value(Value::Object(fields)) => {
            let number = |key: &str| fields.get(key).and_then(Value::as_f64);
            let message = fields.get("message").and_then(Value::as_str).map(str::to_owned);
            (number("progress"), number("total"), message)
        }
        _ => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::serde_json::json;

    fn result(outcome: Result<ToolOutput, ToolError>) -> Value {
        let mut result = serde_json::to_value(call_result(outcome)).unwrap();
        result.as_object_mut().unwrap().remove("resultType");
        result
    }

    #[test]
    fn results_have_the_form_of_the_protocol() {
        let expected = json!({"isError": false, "content": [{"type": "text", "text": "hi"}]});
        assert_eq!(result(Ok("hi".into())), expected);
        let expected = json!({"isError": false, "content": [{"type": "text", "text": "[1,2]"}]});
        assert_eq!(result(Ok(json!([1, 2]).into())), expected);
        let expected = json!({
            "isError": false,
            "content": [{"type": "text", "text": "{\"a\":1}"}],
            "structuredContent": {"a": 1},
        });
        assert_eq!(result(Ok(json!({"a": 1}).into())), expected);
        let expected = json!({"isError": true, "content": [{"type": "text", "text": "no"}]});
        assert_eq!(result(Err(ToolError::new("x", "no"))), expected);
    }

    #[test]
    fn images_and_documents_are_kept() {
        let contents = vec![
            Content::image_base64("image/png", "aGk="),
            Content::document_base64("a.pdf", "application/pdf", "aGk="),
            Content::image_url("https://example.com/a.png"),
        ];
        let resource =
            json!({"uri": "document:a.pdf", "mimeType": "application/pdf", "blob": "aGk="});
        let url = "https://example.com/a.png";
        let expected = json!([
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {"type": "resource", "resource": resource},
            {"type": "resource_link", "uri": url, "name": url},
        ]);
        assert_eq!(result(Ok(contents.into()))["content"], expected);
    }
}
