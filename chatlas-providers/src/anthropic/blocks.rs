//! Turns as the messages of the Messages API: what is said, as content blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::Turn;
use chatlas_core::content::{
    Content, Media, MediaSource, Replay, Text, ToolOutcome, ToolRequest, ToolResult,
};
use serde_json::{Value, json};

use crate::data_url;

/// What stands for a text where one is demanded and there is none.
pub(crate) const NO_TEXT: &str = "[empty string]";

/// A turn as a message; `None` where nothing of it can be sent.
pub(super) fn message(provider: &str, cites: bool, turn: &Turn) -> Option<Value> {
    match turn {
        Turn::User(turn) => {
            // The API wants the answers to its calls before anything else.
            let (results, rest): (Vec<_>, Vec<_>) =
                turn.contents.iter().partition(|content| matches!(content, Content::ToolResult(_)));
            let contents = results.into_iter().chain(rest);
            let mut blocks: Vec<Value> =
                contents.filter_map(|content| said_by_user(content, cites)).collect();
            if blocks.is_empty() {
                blocks.push(text(NO_TEXT));
            }
            Some(json!({"role": "user", "content": blocks}))
        }
        Turn::Assistant(turn) => {
            let blocks: Vec<Value> =
                turn.contents.iter().flat_map(|content| said_by_model(provider, content)).collect();
            (!blocks.is_empty()).then(|| json!({"role": "assistant", "content": blocks}))
        }
        _ => None,
    }
}

/// Makes messages out of what was said such as the API takes them.
///
/// Calls of the vendor's own tools that have no result are left out: a turn was cut off there. They
/// stay in the last message, where they are what a paused turn goes on with, and beside a call of
/// the program's, whose answer the turn goes on with. A last message of the model's ends in no blank.
pub(super) fn close(messages: &mut Vec<Value>) {
    let mut answered = Vec::new();
    let mut is_last = true;
    for message in messages.iter_mut().rev() {
        let Some(blocks) = message["content"].as_array_mut() else { continue };
        answered.extend(blocks.iter().filter_map(|block| block.get("tool_use_id").cloned()));
        if !is_last && !blocks.iter().any(|block| block["type"] == "tool_use") {
            let is_call =
                |block: &Value| block["type"].as_str().is_some_and(|t| t.ends_with("_tool_use"));
            blocks.retain(|block| !is_call(block) || answered.contains(&block["id"]));
        }
        is_last = false;
    }
    messages.retain(|message| message["content"].as_array().is_none_or(|b| !b.is_empty()));
    if let Some(last) = messages.last_mut().filter(|last| last["role"] == "assistant")
        && let Some(block) = last["content"].as_array_mut().and_then(|blocks| blocks.last_mut())
        && let Some(text) = block["text"].as_str().map(|text| text.trim_end().to_owned())
    {
        block["text"] = text.into();
    }
}

/// Whether the cache may be marked at that block: not at a thought, nor at what is to come.
pub(super) fn may_be_marked(block: &Value) -> bool {
    let kind = block["type"].as_str().unwrap_or_default();
    matches!(kind, "text" | "image" | "document")
        || kind.ends_with("_use")
        || kind.ends_with("_result")
}

/// Whether a file is named by its id there.
pub(super) fn names_a_file(contents: &[Content]) -> bool {
    contents.iter().any(|content| match content {
        Content::Image(media) | Content::Document(media) => {
            matches!(media.source, MediaSource::File { .. })
        }
        Content::ToolResult(ToolResult { outcome: ToolOutcome::Contents(contents), .. }) => {
            names_a_file(contents)
        }
        _ => false,
    })
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A text as a block; the API refuses one that is blank.
fn not_blank(said: &str) -> Option<Value> {
    (!said.trim().is_empty()).then(|| text(said))
}

fn said_by_user(content: &Content, cites: bool) -> Option<Value> {
    match content {
        Content::Text(said) => not_blank(&said.text),
        Content::Image(media) => Some(image(media)),
        Content::Document(media) => Some(document(media, cites)),
        Content::ToolResult(result) => Some(tool_result(result, cites)),
        // The model says the rest.
        _ => None,
    }
}

fn said_by_model(provider: &str, content: &Content) -> Vec<Value> {
    // One vendor may have another API, whose items are none of this one.
    let ours = |replay: &Option<Replay>| {
        let replay = replay.as_ref().filter(|replay| replay.provider == provider)?;
        replay.item["type"].is_string().then(|| replay.item.clone())
    };
    match content {
        Content::Text(said) => {
            let plain = not_blank(&said.text);
            plain
                .map(|plain| cited(said, ours(&said.replay)).unwrap_or(plain))
                .into_iter()
                .collect()
        }
        Content::Refusal(refusal) => not_blank(&refusal.text).into_iter().collect(),
        Content::ToolRequest(request) => vec![tool_use(request, ours(&request.replay))],
        // Without what proves it to be the model's own, a thought is refused.
        Content::Thinking(thinking) => ours(&thinking.replay).into_iter().collect(),
        Content::ServerTool(tool) if tool.replay.provider == provider => {
            let blocks = match &tool.replay.item {
                Value::Array(blocks) => blocks.as_slice(),
                block => std::slice::from_ref(block),
            };
            blocks.iter().filter(|block| block["type"].is_string()).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// A text with its sources as they came, unless it was changed since.
fn cited(said: &Text, block: Option<Value>) -> Option<Value> {
    block.filter(|block| block["text"] == said.text.as_str())
}

/// A call, with what else was told of it.
fn tool_use(request: &ToolRequest, told: Option<Value>) -> Value {
    let mut call = told.unwrap_or_else(|| json!({"type": "tool_use"}));
    call["id"] = id(&request.id).into();
    call["name"] = request.name.as_str().into();
    call["input"] = input(&request.arguments);
    call
}

/// The arguments of a call as an object: the API takes nothing else, so that what was none is told
/// within one.
pub(crate) fn input(arguments: &Value) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        Value::Null => json!({}),
        Value::String(raw) => json!({"INVALID_JSON": raw}),
        other => json!({"INVALID_JSON": other.to_string()}),
    }
}

fn tool_result(result: &ToolResult, cites: bool) -> Value {
    let content: Value = match &result.outcome {
        ToolOutcome::Contents(contents) => {
            contents.iter().filter_map(|content| said_by_user(content, cites)).collect()
        }
        // Of an error the API wants to hear.
        ToolOutcome::Error(message) if message.trim().is_empty() => NO_TEXT.into(),
        other => other.to_model_text().into(),
    };
    let mut block =
        json!({"type": "tool_result", "tool_use_id": id(&result.id), "content": content});
    if result.outcome.is_error() {
        block["is_error"] = true.into();
    }
    block
}

/// The id of a call in the letters that the API takes: another vendor's may have others.
pub(crate) fn id(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    id.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

fn image(media: &Media) -> Value {
    match source(media) {
        Some(source) => json!({"type": "image", "source": source}),
        None => text("[an image that cannot be sent]"),
    }
}

fn document(media: &Media, cites: bool) -> Value {
    let Some(source) = plain_text(media).or_else(|| source(media)) else {
        return text("[a document that cannot be sent]");
    };
    let mut block = json!({"type": "document", "source": source});
    if let Some(name) = &media.name {
        block["title"] = name.as_str().into();
    }
    if cites {
        block["citations"] = json!({"enabled": true});
    }
    block
}

fn source(media: &Media) -> Option<Value> {
    Some(match &media.source {
        MediaSource::Url { url } => match data_url::read(url) {
            Some((kind, data)) => json!({"type": "base64", "media_type": kind, "data": data}),
            None => json!({"type": "url", "url": url}),
        },
        MediaSource::Base64 { mime_type, data } => {
            json!({"type": "base64", "media_type": mime_type, "data": data})
        }
        MediaSource::File { id, .. } => json!({"type": "file", "file_id": id}),
        _ => return None,
    })
}

/// The source of a document that is text: the API takes PDFs as bytes, and nothing else.
fn plain_text(media: &Media) -> Option<Value> {
    let (kind, data) = match &media.source {
        MediaSource::Base64 { mime_type, data } => (mime_type.as_str(), data.as_str()),
        MediaSource::Url { url } => data_url::read(url)?,
        _ => return None,
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || ["json", "xml", "yaml", "toml", "csv", "javascript"].iter().any(|k| kind.ends_with(k));
    let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
    is_text.then(|| json!({"type": "text", "media_type": "text/plain", "data": text}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatlas_core::content::{Refusal, ServerTool, Thinking};
    use chatlas_core::{AssistantTurn, UserTurn};

    const ME: &str = "anthropic";

    fn user(contents: Vec<Content>) -> Value {
        message(ME, false, &Turn::User(UserTurn { contents })).unwrap()["content"].take()
    }

    fn assistant(contents: Vec<Content>) -> Option<Value> {
        let turn = Turn::Assistant(AssistantTurn { contents, ..AssistantTurn::default() });
        Some(message(ME, false, &turn)?["content"].take())
    }

    fn replay(provider: &str, item: Value) -> Replay {
        Replay { provider: provider.to_owned(), item }
    }

    fn result(outcome: ToolOutcome) -> Content {
        Content::ToolResult(ToolResult { id: "a.1".into(), name: "look".into(), outcome })
    }

    #[test]
    fn results_come_first_and_hold_what_the_tool_gave() {
        let picture = Content::image_base64("image/png", "AAAA");
        let pdf = Content::document_base64("a.pdf", "application/pdf", "BBBB");
        let contents = vec![Content::text("see"), picture, pdf];
        let blocks = user(vec![
            Content::text("well?"),
            result(ToolOutcome::Contents(contents)),
            result(ToolOutcome::Value(json!({"a": 1}))),
            result(ToolOutcome::Error("no such city".into())),
        ]);
        assert_eq!(
            blocks,
            json!([
                {"type": "tool_result", "tool_use_id": "a_1", "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source":
                        {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    {"type": "document", "title": "a.pdf", "source":
                        {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}},
                ]},
                {"type": "tool_result", "tool_use_id": "a_1", "content": "{\"a\":1}"},
                {"type": "tool_result", "tool_use_id": "a_1", "content": "no such city",
                    "is_error": true},
                {"type": "text", "text": "well?"},
            ])
        );
    }

    #[test]
    fn text_is_never_blank() {
        assert_eq!(user(vec![Content::text(" \n")])[0]["text"], NO_TEXT);
        assert_eq!(
            user(vec![Content::text(""), Content::text("hi")]),
            json!([{"type": "text", "text": "hi"}])
        );
        assert_eq!(assistant(vec![Content::text("")]), None);
        let cited = json!({"type": "text", "text": " ", "citations": [{"type": "x"}]});
        let said = Text { text: " ".into(), replay: Some(replay(ME, cited)), logprobs: None };
        assert_eq!(assistant(vec![Content::Text(said)]), None);
        let failed = user(vec![result(ToolOutcome::Error(String::new()))]);
        assert_eq!(
            (&failed[0]["content"], &failed[0]["is_error"]),
            (&json!(NO_TEXT), &json!(true))
        );
    }

    #[test]
    fn the_cache_is_marked_where_the_api_takes_a_mark() {
        for (kind, may) in [
            ("text", true),
            ("tool_result", true),
            ("server_tool_use", true),
            ("web_search_tool_result", true),
            ("thinking", false),
            ("redacted_thinking", false),
            ("fallback", false),
        ] {
            assert_eq!(may_be_marked(&json!({"type": kind})), may, "{kind}");
        }
    }

    #[test]
    fn media_are_told_by_where_they_are() {
        let file = MediaSource::File { id: "file_1".into(), mime_type: None };
        let blocks = user(vec![
            Content::image_url("https://a.example/a.png"),
            Content::image_url("data:image/gif;base64,R0lG"),
            Content::Image(Media { source: file.clone(), name: None }),
            Content::document_url("https://a.example/a.pdf"),
            Content::Document(Media { source: file, name: Some("a".into()) }),
            Content::document_base64("a.csv", "text/csv; charset=utf-8", "YSxiCg=="),
            Content::document_base64("a.json", "application/json", "e30="),
            Content::document_base64("a.txt", "text/plain", "/w=="),
        ]);
        let sources: Vec<&Value> =
            blocks.as_array().unwrap().iter().map(|block| &block["source"]).collect();
        assert_eq!(
            Value::from(sources.into_iter().cloned().collect::<Vec<_>>()),
            json!([
                {"type": "url", "url": "https://a.example/a.png"},
                {"type": "base64", "media_type": "image/gif", "data": "R0lG"},
                {"type": "file", "file_id": "file_1"},
                {"type": "url", "url": "https://a.example/a.pdf"},
                {"type": "file", "file_id": "file_1"},
                {"type": "text", "media_type": "text/plain", "data": "a,b\n"},
                {"type": "text", "media_type": "text/plain", "data": "{}"},
                {"type": "base64", "media_type": "text/plain", "data": "/w=="},
            ])
        );
        let pdf = Content::document_url("https://a.example/a.pdf");
        let turn = Turn::User(UserTurn { contents: vec![pdf] });
        let cited = message(ME, true, &turn).unwrap();
        assert_eq!(cited["content"][0]["citations"], json!({"enabled": true}));
    }

    #[test]
    fn what_the_vendor_wants_back_goes_back_to_it_alone() {
        let thought = json!({"type": "thinking", "thinking": "Hm.", "signature": "sig"});
        let hidden = json!({"type": "redacted_thinking", "data": "xyz"});
        let call = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
        let found = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []});
        let cited = json!({"type": "text", "text": "so", "citations": [{"type": "x"}]});
        let thinking = |replay| Content::Thinking(Thinking { text: "Hm.".into(), replay });
        let said = |text: &str, replay| {
            Content::Text(Text { text: text.into(), replay: Some(replay), logprobs: None })
        };
        let searched = |provider: &str| {
            let replay = replay(provider, json!([call, found]));
            Content::ServerTool(ServerTool { id: None, name: "web_search".into(), replay })
        };
        let blocks = assistant(vec![
            thinking(Some(replay(ME, thought.clone()))),
            thinking(Some(replay(ME, hidden.clone()))),
            thinking(Some(replay("openai", json!({"id": 1})))),
            thinking(Some(replay(ME, json!({"reasoningContent": {}})))),
            thinking(None),
            searched(ME),
            searched("openai"),
            Content::ServerTool(ServerTool {
                id: None,
                name: "of_another_api".into(),
                replay: replay(ME, json!({"toolUse": {}})),
            }),
            said("so", replay(ME, cited.clone())),
            said("or so", replay(ME, cited.clone())),
            said("so", replay("openai", json!({}))),
            Content::Refusal(Refusal { text: "No.".into() }),
        ]);
        let plain = |text: &str| json!({"type": "text", "text": text});
        let expected = [
            thought,
            hidden,
            call.clone(),
            found.clone(),
            cited.clone(),
            plain("or so"),
            plain("so"),
            plain("No."),
        ];
        assert_eq!(blocks, Some(expected.into_iter().collect()));
    }

    #[test]
    fn a_call_is_an_object_whatever_the_model_wrote() {
        for (arguments, input) in [
            (json!({"a": 1}), json!({"a": 1})),
            (Value::Null, json!({})),
            (json!("{\"a\": "), json!({"INVALID_JSON": "{\"a\": "})),
            (json!([1]), json!({"INVALID_JSON": "[1]"})),
        ] {
            let request =
                ToolRequest { id: "call|1".into(), name: "look".into(), arguments, replay: None };
            let blocks = assistant(vec![Content::ToolRequest(request)]).unwrap();
            assert_eq!(blocks[0]["input"], input);
            assert_eq!(blocks[0]["id"], "call_1");
        }
    }
}
