//! Converts what servers return to the data of chatlas.

use chatlas_core::serde_json::Value;
use chatlas_core::telemetry::names::mcp::TOOL_ERROR;
use chatlas_core::{Content, ToolError, ToolOutput};
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents};

/// Returns the outcome of a tool call.
///
/// Servers repeat a structured result as text, for clients that read no structured results: the model
/// receives it once.
pub(super) fn tool_output(result: CallToolResult) -> Result<ToolOutput, ToolError> {
    let CallToolResult { content, structured_content, is_error, .. } = result;
    let only_text = content.iter().all(|block| matches!(block, ContentBlock::Text(_)));
    if is_error == Some(true) {
        let texts: Vec<String> = content.into_iter().map(block_text).collect();
        let message = match (texts.is_empty(), structured_content) {
            (true, Some(value)) => value.to_string(),
            (true, None) => "the tool failed".to_owned(),
            (false, _) => texts.join("\n"),
        };
        return Err(ToolError::new(TOOL_ERROR, message));
    }
    match structured_content {
        Some(value) if only_text => Ok(value.into()),
        Some(value) => {
            let has_text = content.iter().any(|block| matches!(block, ContentBlock::Text(_)));
            let mut contents = contents(content);
            if !has_text {
                contents.push(Content::text(value.to_string()));
            }
            Ok(contents.into())
        }
        None if content.is_empty() => Ok("".into()),
        None => Ok(match <[ContentBlock; 1]>::try_from(content) {
            Ok([ContentBlock::Text(text)]) => text.text.into(),
            Ok([block]) => content_of(block).into(),
            Err(blocks) => contents(blocks).into(),
        }),
    }
}

fn contents(blocks: Vec<ContentBlock>) -> Vec<Content> {
    blocks.into_iter().map(content_of).collect()
}

/// Returns the content of a block. What no vendor accepts in a tool result is described by a text.
pub(super) fn content_of(block: ContentBlock) -> Content {
    match block {
        ContentBlock::Image(image) => Content::image_base64(image.mime_type, image.data),
        ContentBlock::Resource(resource) => resource_content(resource.resource),
        other => Content::text(block_text(other)),
    }
}

fn resource_content(resource: ResourceContents) -> Content {
    match resource {
        ResourceContents::TextResourceContents { text, .. } => Content::text(text),
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            match mime_type.as_deref() {
                Some(kind) if kind.starts_with("image/") => Content::image_base64(kind, blob),
                Some(kind @ "application/pdf") => {
                    let name = uri.rsplit('/').next().unwrap_or_default().to_owned();
                    Content::document_base64(name, kind, blob)
                }
                kind => Content::text(format!("[{uri}: {}]", kind.unwrap_or("binary data"))),
            }
        }
        _ => Content::text("[resource of an unsupported kind]"),
    }
}

fn block_text(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => format!("[image: {}]", image.mime_type),
        ContentBlock::Audio(audio) => format!("[audio: {}]", audio.mime_type),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { text, .. } => text,
            ResourceContents::BlobResourceContents { uri, .. } => format!("[resource: {uri}]"),
            _ => "[resource of an unsupported kind]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => link_text(&link),
        _ => "[content of an unsupported kind]".to_owned(),
    }
}

/// Returns a link as JSON, so that the model can refer to its URI.
fn link_text(link: &Resource) -> String {
    let mut fields = chatlas_core::serde_json::Map::new();
    fields.insert("uri".into(), Value::String(link.uri.clone()));
    fields.insert("name".into(), Value::String(link.name.clone()));
    for (key, value) in
        [("title", &link.title), ("description", &link.description), ("mimeType", &link.mime_type)]
    {
        fields.extend(value.clone().map(|text| (key.into(), Value::String(text))));
    }
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::serde_json::json;

    fn converted(result: Value) -> Result<ToolOutput, ToolError> {
        tool_output(chatlas_core::serde_json::from_value(result).unwrap())
    }

    #[test]
    fn a_structured_result_is_sent_to_the_model_once() {
        let output = converted(json!({
            "content": [{"type": "text", "text": "{\"t\": 3.5}"}],
            "structuredContent": {"t": 3.5},
        }));
        assert_eq!(output.unwrap(), ToolOutput::Value(json!({"t": 3.5})));
        let with_image = converted(json!({
            "content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}],
            "structuredContent": {"t": 3.5},
        }));
        let expected =
            vec![Content::image_base64("image/png", "aGk="), Content::text("{\"t\":3.5}")];
        assert_eq!(with_image.unwrap(), expected.into());
    }

    #[test]
    fn all_kinds_of_content_are_kept() {
        let output = converted(json!({"content": [
            {"type": "text", "text": "see"},
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///a/b.pdf", "mimeType": "application/pdf", "blob": "aGk="}},
            {"type": "resource_link", "uri": "file:///c", "name": "c"},
        ]}));
        let expected = vec![
            Content::text("see"),
            Content::image_base64("image/png", "aGk="),
            Content::text("[audio: audio/wav]"),
            Content::text("inside"),
            Content::document_base64("b.pdf", "application/pdf", "aGk="),
            Content::text("{\"name\":\"c\",\"uri\":\"file:///c\"}"),
        ];
        assert_eq!(output.unwrap(), expected.into());
    }

    #[test]
    fn one_text_or_nothing_is_a_string() {
        assert_eq!(converted(json!({"content": []})).unwrap(), "".into());
        let text = converted(json!({"content": [{"type": "text", "text": "hi"}]}));
        assert_eq!(text.unwrap(), "hi".into());
    }

    #[test]
    fn an_error_has_the_text_of_the_server() {
        let error = converted(json!({"isError": true, "content": [
            {"type": "text", "text": "no such file"},
            {"type": "text", "text": "try another"},
        ]}));
        let error = error.unwrap_err();
        assert_eq!(
            (error.error_type().as_ref(), error.message()),
            (TOOL_ERROR, "no such file\ntry another")
        );
        let empty = converted(json!({"isError": true, "content": []})).unwrap_err();
        assert_eq!(empty.message(), "the tool failed");
    }
}
