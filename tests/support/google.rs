//! Recorded traffic of Google's `generateContent`, decoded independently of the library.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::content::{Replay, ToolOutcome, ToolRequest, ToolResult};
use chatlas::{AssistantTurn, ChatRequest, Content, OutputSchema, ToolDefinition, Turn, UserTurn};
use serde_json::{Map, Value, json};

use super::cassettes::{Interaction, Recording, recordings};

const HOST: &str = "https://generativelanguage.googleapis.com/";

/// Returns every interaction with Google whose URL is accepted by `fits`, by file.
pub fn google(fits: impl Fn(&str) -> bool) -> Vec<Recording> {
    recordings(|_, url| url.starts_with(HOST) && fits(url))
}

/// Returns every chat, by file.
pub fn chats() -> Vec<Recording> {
    google(|url| url.contains(":generateContent") || url.contains(":streamGenerateContent"))
}

/// Returns the model and the method (`generateContent`) of a request.
pub fn model_and_method(interaction: &Interaction) -> (&str, &str) {
    let (_, last) = interaction.url.rsplit_once("/models/").expect("a model");
    last.split_once(':').expect("a method")
}

/// The facts of a recorded reply.
#[derive(Debug, Default)]
pub struct RecordedReply {
    pub text: String,
    pub calls: Vec<Value>,
    /// The signatures, in order.
    pub signatures: Vec<String>,
    pub finish_reason: String,
    pub response_id: String,
    pub model: String,
    /// The last reported usage, which includes the earlier ones.
    pub usage: Value,
    pub sources: usize,
}

pub fn recorded_reply(interaction: &Interaction) -> RecordedReply {
    let chunks =
        if interaction.streamed() { interaction.events() } else { vec![interaction.json()] };
    let mut reply = RecordedReply::default();
    for chunk in &chunks {
        let candidate = &chunk["candidates"][0];
        for part in candidate["content"]["parts"].as_array().expect("parts") {
            reply.text.push_str(part["text"].as_str().unwrap_or_default());
            reply.calls.extend(part.get("functionCall").cloned());
            reply.signatures.extend(part["thoughtSignature"].as_str().map(str::to_owned));
        }
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        reply.finish_reason = string(&candidate["finishReason"]);
        reply.response_id = string(&chunk["responseId"]);
        reply.model = string(&chunk["modelVersion"]);
        reply.usage = chunk["usageMetadata"].clone();
        let supports = candidate["groundingMetadata"]["groundingSupports"].as_array();
        reply.sources = supports.map_or(0, |list| {
            list.iter().filter_map(|s| s["groundingChunkIndices"].as_array()).map(Vec::len).sum()
        });
    }
    reply
}

/// Returns the library's request for a recorded request body.
pub fn chat_request(recorded: &Value) -> ChatRequest {
    let mut request = ChatRequest::new(turns(&recorded["contents"]));
    let prompt = recorded["systemInstruction"]["parts"][0]["text"].as_str();
    request.system_prompt = prompt.map(Into::into);
    request.tools = functions(recorded)
        .iter()
        .map(|function| {
            let string = |key: &str| function[key].as_str().expect("a string").to_owned();
            let schema = json_schema(&function["parameters"]);
            ToolDefinition::new(string("name"), string("description"), schema)
        })
        .collect();
    request.output = output(recorded).map(Into::into);
    request.params_mut().temperature = recorded["generationConfig"]["temperature"].as_f64();
    request
}

fn functions(recorded: &Value) -> Vec<Value> {
    let tools = recorded["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lists = tools.iter().filter_map(|tool| tool["functionDeclarations"].as_array());
    lists.flatten().cloned().collect()
}

pub fn output(recorded: &Value) -> Option<OutputSchema> {
    let schema = recorded["generationConfig"].get("responseSchema")?;
    Some(OutputSchema::new("reply", json_schema(schema)).with_strict(true))
}

/// Returns the JSON schema of a schema in Google's subset.
fn json_schema(schema: &Value) -> Value {
    let mut written = Map::new();
    for (key, value) in schema.as_object().expect("a schema") {
        let value = match key.as_str() {
            "property_ordering" => continue,
            "type" => value.as_str().expect("a type").to_lowercase().into(),
            "properties" => {
                let inner = value.as_object().expect("properties").iter();
                inner.map(|(name, schema)| (name.clone(), json_schema(schema))).collect()
            }
            _ => value.clone(),
        };
        written.insert(key.clone(), value);
    }
    if written["type"] == "object" {
        written.insert("additionalProperties".to_owned(), false.into());
    }
    written.into()
}

pub fn turns(contents: &Value) -> Vec<Turn> {
    let turn = |content: &Value| {
        let contents: Vec<Content> =
            content["parts"].as_array().expect("parts").iter().map(part).collect();
        if content["role"] == "model" {
            Turn::from(AssistantTurn::new(contents))
        } else {
            Turn::User(UserTurn::new(contents))
        }
    };
    contents.as_array().expect("contents").iter().map(turn).collect()
}

fn part(part: &Value) -> Content {
    let string = |value: &Value| value.as_str().expect("a string").to_owned();
    if let Some(call) = part.get("functionCall") {
        let item = json!({"thoughtSignature": string(&part["thoughtSignature"])});
        return Content::ToolRequest(
            ToolRequest::new(string(&call["id"]), string(&call["name"]), call["args"].clone())
                .with_replay(Replay::new("gcp.gemini", item)),
        );
    }
    if let Some(response) = part.get("functionResponse") {
        return Content::ToolResult(ToolResult::new(
            string(&response["id"]),
            string(&response["name"]),
            ToolOutcome::Value(response["response"]["result"].clone()),
        ));
    }
    if let Some(data) = part.get("inlineData") {
        let (kind, data) = (string(&data["mimeType"]), string(&data["data"]));
        return if kind.starts_with("image/") {
            Content::image_base64(kind, data)
        } else {
            Content::document_base64("a document", kind, data)
        };
    }
    Content::text(string(&part["text"]))
}

/// Returns a request in the form in which requests are compared. These differences from the
/// recorded requests, and no others, are normalised here and in [`without_client_differences`]:
///
/// - base64 in the alphabet for URLs: the library forwards data verbatim; the bytes are equal;
/// - `property_ordering`: Google's JSON name is `propertyOrdering`;
/// - `0` and `0.0`, and an empty list of settings: equal values;
/// - a token count of `contents` alone: the library counts the complete request, with its system
///   instruction and tools;
/// - dropped signatures of texts: Google wants each signature sent back at its position;
/// - the pieces of a streamed text: pieces without a signature are one text.
pub fn normalized(request: &Value) -> Value {
    let mut value = request.clone();
    if let Some(generate) = value.get_mut("generateContentRequest") {
        value = generate.take();
        value.as_object_mut().expect("a request").remove("model");
    }
    normalize(&mut value);
    value
}

fn normalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(order) = map.remove("property_ordering") {
                map.insert("propertyOrdering".to_owned(), order);
            }
            map.retain(|key, inner| key != "generationConfig" || *inner != json!({}));
            for (key, inner) in map.iter_mut() {
                match inner {
                    Value::String(text) if key == "data" || key == "thoughtSignature" => {
                        *text = text.replace('-', "+").replace('_', "/");
                    }
                    inner => normalize(inner),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(normalize),
        Value::Number(number) => *value = json!(number.as_f64()),
        _ => {}
    }
}

/// Returns a normalised request without the parts of the history that the recorded client omits.
pub fn without_client_differences(request: &Value) -> Value {
    let mut value = normalized(request);
    for content in value["contents"].as_array_mut().expect("contents") {
        if content["role"] != "model" {
            continue;
        }
        let mut parts: Vec<Value> = Vec::new();
        for part in content["parts"].as_array().expect("parts") {
            let Some(text) = part["text"].as_str() else {
                parts.push(part.clone());
                continue;
            };
            match parts.last_mut().map(|last| &mut last["text"]) {
                Some(Value::String(before)) => before.push_str(text),
                _ => parts.push(json!({"text": text})),
            }
        }
        content["parts"] = parts.into();
    }
    value
}
