//! A request in the words of the Responses API.

use chatlas_core::content::{Content, Media, MediaSource, ToolRequest};
use chatlas_core::{
    ChatRequest, ModelParams, ProviderError, ProviderErrorKind, ToolDefinition, Turn, WebSearch,
};
use serde_json::{Map, Value, json};

use super::reply::PROVIDER;
use crate::completions::written_arguments;

/// What only this vendor has.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    pub(super) web_search: Option<WebSearch>,
    pub(super) service_tier: Option<String>,
    pub(super) logprobs: bool,
}

/// The body of a request.
pub(super) fn body(
    model: &str,
    extras: &Extras,
    request: &ChatRequest,
    stream: bool,
) -> Result<Vec<u8>, ProviderError> {
    let params = &request.params;
    refuse_unknown(params, extras)?;
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    set("model", Some(model.into()));
    set("input", Some(input(request).into()));
    set("store", Some(false.into()));
    set("stream", Some(stream.into()));
    set("temperature", params.temperature.map(Value::from));
    set("top_p", params.top_p.map(Value::from));
    set("max_output_tokens", params.max_tokens.map(Value::from));
    set("reasoning", params.reasoning_level.as_ref().map(|level| json!({"effort": level})));
    set("previous_response_id", params.previous_response_id.clone().map(Value::from));
    set("service_tier", extras.service_tier.clone().map(Value::from));
    let tools = tools(&request.tools, extras);
    set("tools", (!tools.is_empty()).then(|| tools.into()));
    set(
        "text",
        request.output.as_ref().map(|output| {
            json!({"format": {
                "type": "json_schema",
                "name": output.name,
                "schema": output.schema,
                "strict": output.strict,
            }})
        }),
    );
    let wanted = [
        (reasons(model), "reasoning.encrypted_content"),
        (extras.logprobs, "message.output_text.logprobs"),
    ];
    let include: Vec<Value> =
        wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| (*name).into()).collect();
    set("include", (!include.is_empty()).then(|| include.into()));
    body.extend(params.extra.clone());
    serde_json::to_vec(&body).map_err(|error| {
        ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("the request cannot be written as JSON: {error}"),
        )
    })
}

/// A parameter that would be dropped in silence is an error instead.
fn refuse_unknown(params: &ModelParams, extras: &Extras) -> Result<(), ProviderError> {
    let set = [
        ("top_k", params.top_k.is_some()),
        ("stop_sequences", !params.stop_sequences.is_empty()),
        ("seed", params.seed.is_some()),
        ("frequency_penalty", params.frequency_penalty.is_some()),
        ("presence_penalty", params.presence_penalty.is_some()),
        ("choice_count", params.choice_count.is_some_and(|count| count != 1)),
        (
            "max_uses of web_search",
            extras.web_search.as_ref().is_some_and(|s| s.max_uses.is_some()),
        ),
        (
            "blocked_domains of web_search",
            extras.web_search.as_ref().is_some_and(|s| !s.blocked_domains.is_empty()),
        ),
    ];
    match set.iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((name, _)) => Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("OpenAI's Responses API has no parameter `{name}`: leave it unset"),
        )),
    }
}

/// Whether the model thinks before it answers: then its thoughts are asked for, encrypted, to be
/// sent back. Others refuse the question; so do the `chat` models among the fives.
fn reasons(model: &str) -> bool {
    let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    (model.starts_with("gpt-5") && !model.contains("-chat"))
        || model.strip_prefix('o').is_some_and(numbered)
}

fn input(request: &ChatRequest) -> Vec<Value> {
    let mut items = Vec::new();
    if let Some(prompt) = &request.system_prompt {
        items.push(message("system", &json!({"type": "input_text", "text": &**prompt})));
    }
    for turn in &request.turns {
        let said_by_user = matches!(&**turn, Turn::User(_));
        items.extend(turn.contents().iter().filter_map(|content| item(content, said_by_user)));
    }
    items
}

/// A content as an input item; `None` for what the API does not take back.
fn item(content: &Content, said_by_user: bool) -> Option<Value> {
    Some(match content {
        Content::Text(text) if said_by_user => {
            message("user", &json!({"type": "input_text", "text": text.text}))
        }
        Content::Text(text) => {
            assistant(&json!({"type": "output_text", "text": text.text, "annotations": []}))
        }
        Content::Refusal(refusal) => {
            assistant(&json!({"type": "refusal", "refusal": refusal.text}))
        }
        Content::Image(media) => message("user", &image(media)),
        Content::Document(media) => message("user", &file(media)),
        Content::ToolRequest(request) => function_call(request),
        Content::ToolResult(result) => json!({
            "type": "function_call_output",
            "call_id": result.id,
            "output": result.outcome.to_model_text(),
        }),
        Content::Thinking(thinking) => {
            let replay = thinking.replay.as_ref().filter(|replay| replay.provider == PROVIDER)?;
            // Without the encrypted thought there is nothing that OpenAI could read: with
            // `store: false` it knows no item by its id.
            replay.item.get("encrypted_content").filter(|content| content.is_string())?;
            replay.item.clone()
        }
        Content::ServerTool(tool) if tool.replay.provider == PROVIDER => tool.replay.item.clone(),
        // Citations come with the text; other vendors' items are theirs.
        _ => return None,
    })
}

fn message(role: &str, part: &Value) -> Value {
    json!({"role": role, "content": [part]})
}

fn assistant(part: &Value) -> Value {
    json!({"type": "message", "role": "assistant", "status": "completed", "content": [part]})
}

fn function_call(request: &ToolRequest) -> Value {
    json!({
        "type": "function_call",
        "call_id": request.id,
        "name": request.name,
        "arguments": written_arguments(&request.arguments),
    })
}

fn image(media: &Media) -> Value {
    match &media.source {
        MediaSource::File { id, .. } => json!({"type": "input_image", "file_id": id}),
        MediaSource::Base64 { mime_type, data } => {
            let url = format!("data:{mime_type};base64,{data}");
            json!({"type": "input_image", "image_url": url, "detail": "auto"})
        }
        MediaSource::Url { url } => {
            json!({"type": "input_image", "image_url": url, "detail": "auto"})
        }
        other => json!({"type": "input_text", "text": format!("[unsupported image: {other:?}]")}),
    }
}

fn file(media: &Media) -> Value {
    match &media.source {
        MediaSource::File { id, .. } => json!({"type": "input_file", "file_id": id}),
        MediaSource::Base64 { mime_type, data } => json!({
            "type": "input_file",
            "filename": media.name.as_deref().unwrap_or("document"),
            "file_data": format!("data:{mime_type};base64,{data}"),
        }),
        MediaSource::Url { url } => json!({"type": "input_file", "file_url": url}),
        other => json!({"type": "input_text", "text": format!("[unsupported file: {other:?}]")}),
    }
}

fn tools(tools: &[ToolDefinition], extras: &Extras) -> Vec<Value> {
    let functions = tools.iter().map(|tool| {
        json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": *tool.parameters,
            "strict": is_strict(&tool.parameters),
        })
    });
    functions.chain(extras.web_search.as_ref().map(web_search)).collect()
}

fn web_search(search: &WebSearch) -> Value {
    let mut tool = json!({"type": "web_search"});
    if !search.allowed_domains.is_empty() {
        tool["filters"] = json!({"allowed_domains": search.allowed_domains});
    }
    tool
}

/// Whether OpenAI can hold the model to the schema: it demands that every object is closed and
/// every property required. Any other schema is sent as it is, as a help to the model.
fn is_strict(schema: &Value) -> bool {
    let Some(object) = schema.as_object() else { return true };
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        let required = object.get("required").and_then(Value::as_array);
        let Some(required) = required else { return false };
        let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
        let all = properties.keys().all(|name| required.iter().any(|r| r == name.as_str()));
        if !closed || !all || !properties.values().all(is_strict) {
            return false;
        }
    } else if object.get("type").is_some_and(|kind| kind == "object") {
        return false;
    }
    if object.contains_key("oneOf") || object.contains_key("allOf") {
        return false;
    }
    let within =
        ["items", "anyOf", "definitions", "$defs"].iter().filter_map(|key| object.get(*key));
    within.into_iter().all(|inner| match inner {
        Value::Array(list) => list.iter().all(is_strict),
        Value::Object(map) if !map.contains_key("type") && !map.contains_key("anyOf") => {
            map.values().all(is_strict)
        }
        one => is_strict(one),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_schema_is_strict() {
        let closed = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "array", "items": {"type": "string"}}},
        });
        assert!(is_strict(&closed));
        let mut open = closed.clone();
        open["additionalProperties"] = json!(true);
        assert!(!is_strict(&open));
        let mut optional = closed.clone();
        optional["required"] = json!([]);
        assert!(!is_strict(&optional));
        let mut map_within = closed.clone();
        map_within["properties"]["a"] = json!({"type": "object"});
        assert!(!is_strict(&map_within));
        let mut deep = closed.clone();
        deep["properties"]["a"]["items"] = open;
        assert!(!is_strict(&deep));
    }

    #[test]
    fn models_that_think_are_known_by_their_names() {
        for model in ["gpt-5.4", "gpt-5", "o1", "o4-mini"] {
            assert!(reasons(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1", "omni", "chatgpt-4o", "gpt-5-chat-latest", ""] {
            assert!(!reasons(model), "{model}");
        }
    }

    #[test]
    fn a_parameter_that_the_api_lacks_is_refused_by_name() {
        let mut request = ChatRequest::new([Turn::user("hi")]);
        request.params.seed = Some(1);
        let error = body("gpt-4o", &Extras::default(), &request, false).unwrap_err();
        assert!(error.message().contains("`seed`"), "{error}");
    }
}
