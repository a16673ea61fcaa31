//! Recorded traffic of the Messages API, of Anthropic and of Bedrock, decoded independently of the
//! library.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas::content::{
    Media, MediaSource, Replay, Thinking, ToolOutcome, ToolRequest, ToolResult,
};
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    AssistantTurn, ChatRequest, Completion, FinishReason, OutputSchema, ToolDefinition, UserTurn,
};
use serde_json::{Value, json};

use super::cassettes::Interaction;
use super::recorded_tools::recorded_tools;

/// The tool that models without `output_config.format` call to return structured output.
pub const OUTPUT_TOOL: &str = "_structured_tool_call";

/// Returns a request in the form in which requests are compared. Two differences from the recorded
/// requests are normalised, because the API documents both forms as equal: the library does not
/// send an empty list of tools, nor `is_error: false`, the default of a tool result.
pub fn normalized(request: &Value) -> Value {
    let mut value = request.clone();
    normalize(&mut value);
    value
}

fn normalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, inner| {
                let empty = key == "tools" && inner.as_array().is_some_and(Vec::is_empty);
                let default = key == "is_error" && *inner == false;
                !inner.is_null() && !empty && !default
            });
            map.values_mut().for_each(normalize);
        }
        Value::Array(list) => list.iter_mut().for_each(normalize),
        _ => {}
    }
}

/// Returns the message that these events add up to.
pub fn message_of(events: &[Value]) -> Value {
    let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
    let mut message = of("message_start").next().expect("a beginning")["message"].clone();
    assert_eq!(of("message_stop").count(), 1);
    let mut content = Vec::new();
    for (number, start) in of("content_block_start").enumerate() {
        assert_eq!(start["index"], number);
        let mut block = start["content_block"].clone();
        let pieces = |delta: &str, key: &str| -> String {
            of("content_block_delta")
                .filter(|event| event["index"] == number && event["delta"]["type"] == delta)
                .map(|event| event["delta"][key].as_str().expect("text"))
                .collect()
        };
        match block["type"].as_str().expect("a type") {
            "text" => block["text"] = pieces("text_delta", "text").into(),
            "thinking" => {
                block["thinking"] = pieces("thinking_delta", "thinking").into();
                block["signature"] = pieces("signature_delta", "signature").into();
            }
            "tool_use" => {
                let input = pieces("input_json_delta", "partial_json");
                if !input.is_empty() {
                    block["input"] = serde_json::from_str(&input).expect("arguments");
                }
            }
            other => panic!("a block of an unknown type: {other}"),
        }
        content.push(block);
    }
    message["content"] = content.into();
    for delta in of("message_delta") {
        message["stop_reason"] = delta["delta"]["stop_reason"].clone();
        for (key, value) in delta["usage"].as_object().expect("usage") {
            message["usage"][key] = value.clone();
        }
    }
    message
}

pub fn blocks<'a>(message: &'a Value, kind: &str) -> Vec<&'a Value> {
    let content = message["content"].as_array().expect("content");
    content.iter().filter(|block| block["type"] == kind).collect()
}

fn calls(message: &Value) -> Vec<&Value> {
    blocks(message, "tool_use").into_iter().filter(|call| call["name"] != OUTPUT_TOOL).collect()
}

/// Returns the library's request for a recorded request body.
pub fn chat_request(recorded: &Value) -> ChatRequest {
    let mut request = ChatRequest::new(turns(recorded));
    request.system_prompt = recorded["system"][0]["text"].as_str().map(Into::into);
    request.tools = recorded["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|tool| tool["name"] != OUTPUT_TOOL)
        .map(|tool| {
            let string = |key: &str| tool[key].as_str().expect("a string").to_owned();
            ToolDefinition::new(string("name"), string("description"), tool["input_schema"].clone())
        })
        .collect();
    request.output = output(recorded).map(Into::into);
    request
}

pub fn output(recorded: &Value) -> Option<OutputSchema> {
    let tools = recorded["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_tool = tools.iter().find(|tool| tool["name"] == OUTPUT_TOOL);
    let schema = match by_tool {
        Some(tool) => &tool["input_schema"]["properties"]["data"],
        None => &recorded["output_config"]["format"]["schema"],
    };
    let schema = (!schema.is_null()).then(|| schema.clone())?;
    Some(OutputSchema::new("answer", schema).with_strict(true))
}

pub fn turns(recorded: &Value) -> Vec<Turn> {
    let messages = recorded["messages"].as_array().expect("messages");
    messages
        .iter()
        .map(|message| {
            let blocks = message["content"].as_array().expect("blocks");
            let contents: Vec<Content> = blocks.iter().map(content).collect();
            match message["role"].as_str() {
                Some("assistant") => Turn::from(AssistantTurn::new(contents)),
                _ => Turn::User(UserTurn::new(contents)),
            }
        })
        .collect()
}

fn content(block: &Value) -> Content {
    let string = |value: &Value| value.as_str().expect("a string").to_owned();
    match block["type"].as_str().expect("a type") {
        "text" => Content::text(string(&block["text"])),
        "tool_use" => Content::ToolRequest(ToolRequest::new(
            string(&block["id"]),
            string(&block["name"]),
            block["input"].clone(),
        )),
        "tool_result" => Content::ToolResult(ToolResult::new(
            string(&block["tool_use_id"]),
            String::new(),
            if block["is_error"] == true {
                ToolOutcome::Error(string(&block["content"]))
            } else {
                ToolOutcome::Value(block["content"].clone())
            },
        )),
        "document" => {
            let mut document = Media::new(source(&block["source"]));
            document.name = block["title"].as_str().map(str::to_owned);
            Content::Document(document)
        }
        other => panic!("a block of an unknown type: {other}"),
    }
}

fn source(source: &Value) -> MediaSource {
    let string = |key: &str| source[key].as_str().expect("a string").to_owned();
    match source["type"].as_str().expect("a type") {
        "url" => MediaSource::Url { url: string("url") },
        "base64" => MediaSource::Base64 { mime_type: string("media_type"), data: string("data") },
        "text" => MediaSource::Base64 {
            mime_type: "text/csv".to_owned(),
            data: STANDARD.encode(string("data")),
        },
        "file" => MediaSource::File { id: string("file_id"), mime_type: None },
        other => panic!("a source of an unknown type: {other}"),
    }
}

/// Returns the token counts of the semantic conventions, computed from the vendor's counts.
fn counts(message: &Value) -> [(&'static str, Option<u64>); 4] {
    let count = |key: &str| message["usage"][key].as_u64();
    let (read, write) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let input = count("input_tokens").expect("input") + read.unwrap_or(0) + write.unwrap_or(0);
    [
        ("gen_ai.usage.input_tokens", Some(input)),
        ("gen_ai.usage.output_tokens", count("output_tokens")),
        ("gen_ai.usage.cache_read.input_tokens", read),
        ("gen_ai.usage.cache_write.input_tokens", write),
    ]
}

fn reason(message: &Value) -> FinishReason {
    if calls(message).is_empty() { FinishReason::Stop } else { FinishReason::ToolCall }
}

pub fn assert_as_recorded(provider: &str, name: &str, completion: &Completion, message: &Value) {
    let string = |value: &Value| value.as_str().map(str::to_owned);
    let answers = blocks(message, "tool_use").into_iter().filter(|c| c["name"] == OUTPUT_TOOL);
    let answers: String = answers.map(|call| call["input"]["data"].to_string()).collect();
    let texts = blocks(message, "text");
    let text: String = texts.iter().filter_map(|block| block["text"].as_str()).collect();
    assert_eq!(completion.text(), text + &answers, "{name}");
    assert_eq!(completion.response_id, string(&message["id"]), "{name}");
    assert_eq!(completion.model, string(&message["model"]), "{name}");
    assert_eq!(completion.finish_reason, Some(reason(message)), "{name}");
    let usage = completion.usage;
    let read = [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
    ];
    assert_eq!(read, counts(message).map(|(_, count)| count), "{name}");
    let requests: Vec<&ToolRequest> = completion.tool_requests().collect();
    let calls = calls(message);
    assert_eq!(requests.len(), calls.len(), "{name}");
    for (request, call) in requests.iter().zip(&calls) {
        assert_eq!(Some(request.id.clone()), string(&call["id"]), "{name}");
        assert_eq!(Some(request.name.clone()), string(&call["name"]), "{name}");
        assert_eq!(request.arguments, call["input"], "{name}");
    }
    let thoughts: Vec<&Thinking> = completion
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::Thinking(thinking) => Some(thinking),
            _ => None,
        })
        .collect();
    let thinking = blocks(message, "thinking");
    assert_eq!(thoughts.len(), thinking.len(), "{name}");
    for (thought, block) in thoughts.iter().zip(thinking) {
        assert_eq!(thought.text, block["thinking"].as_str().expect("a thought"), "{name}");
        let replay = Replay::new(provider, block.clone());
        assert_eq!(thought.replay, Some(replay), "{name}");
    }
}

pub fn assert_span_carries(name: &str, message: &Value, recorder: &Recorder) {
    recorder.assert_sound();
    let spans = recorder.spans();
    let chat = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a chat span");
    for (key, count) in counts(message) {
        assert_eq!(chat[key], json!(count), "{name}: {key}");
    }
    for (key, value) in
        [("gen_ai.response.id", &message["id"]), ("gen_ai.response.model", &message["model"])]
    {
        assert_eq!(chat[key], *value, "{name}: {key}");
    }
    let reasons = json!([reason(message).as_str()]);
    assert_eq!(chat["gen_ai.response.finish_reasons"], reasons, "{name}");
    let post = spans.iter().find(|span| span.name() == "POST").expect("an HTTP span");
    assert_eq!(post.parent_id(), chat.id(), "{name}");
}

/// Returns the conversations among the interactions: in each, a request contains the tool results
/// for the reply before it.
pub fn conversations(
    interactions: &[&'static Interaction],
    message: impl Fn(&Interaction) -> Value,
) -> Vec<Vec<&'static Interaction>> {
    let last = |i: &Interaction| -> Value {
        i.request["messages"].as_array().and_then(|list| list.last()).expect("a message").clone()
    };
    let mut found = Vec::new();
    for first in interactions.iter().copied() {
        if !blocks(&last(first), "tool_result").is_empty() {
            continue;
        }
        let mut conversation = vec![first];
        loop {
            let before = message(conversation[conversation.len() - 1]);
            let ids: Vec<&Value> = calls(&before).iter().map(|call| &call["id"]).collect();
            let next = interactions.iter().copied().find(|next| {
                let last = last(next);
                let results = blocks(&last, "tool_result");
                !ids.is_empty() && results.iter().any(|r| ids.contains(&&r["tool_use_id"]))
            });
            match next {
                Some(next) => conversation.push(next),
                None => break,
            }
        }
        if conversation.len() > 1 {
            found.push(conversation);
        }
    }
    found
}

/// Returns a chat in its state before this conversation, with tools that return the recorded
/// results, and the conversation's prompt.
pub fn chat_of(provider: impl Provider, conversation: &[&Interaction]) -> (Chat, Vec<Content>) {
    let (first, last) = (conversation[0], conversation[conversation.len() - 1]);
    let outputs: HashMap<String, Value> = last.request["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .flat_map(|message| blocks(message, "tool_result"))
        .map(|result| {
            let id = result["tool_use_id"].as_str().expect("an id").to_owned();
            (id, result["content"].clone())
        })
        .collect();
    let request = chat_request(&first.request);
    let tools = recorded_tools(request.tools.to_vec(), outputs);
    let mut chat = Chat::new(provider).with_tools(tools);
    if let Some(prompt) = request.system_prompt {
        chat = chat.with_system_prompt(prompt);
    }
    let mut before = turns(&first.request);
    let prompt = before.pop().expect("a prompt").contents().to_vec();
    chat.set_turns(before);
    (chat, prompt)
}
