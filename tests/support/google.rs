//! Recorded traffic of Google's `generateContent`, where it is at hand, and what it says, read
//! without the library's own decoder.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::content::{Replay, ToolOutcome, ToolRequest, ToolResult};
use chatlas::{AssistantTurn, ChatRequest, Content, OutputSchema, ToolDefinition, Turn, UserTurn};
use serde_json::{Map, Value, json};

use super::cassettes::{Interaction, Recording, recordings};

const HOST: &str = "https://generativelanguage.googleapis.com/";

/// Every interaction with that method of a model (`:generateContent` for example), by file.
pub fn google(fits: impl Fn(&str) -> bool) -> Vec<Recording> {
    recordings(|_, url| url.starts_with(HOST) && fits(url))
}

/// Every chat.
pub fn chats() -> Vec<Recording> {
    google(|url| url.contains(":generateContent") || url.contains(":streamGenerateContent"))
}

/// The model that was asked, and what it was asked for.
pub fn model_and_method(interaction: &Interaction) -> (&str, &str) {
    let (_, last) = interaction.url.rsplit_once("/models/").expect("a model");
    last.split_once(':').expect("a method")
}

/// What a recorded reply says.
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub calls: Vec<Value>,
    /// The signatures, in order.
    pub signatures: Vec<String>,
    pub finish_reason: String,
    pub response_id: String,
    pub model: String,
    /// The last count, which is the one that holds.
    pub usage: Value,
    pub sources: usize,
}

pub fn said(interaction: &Interaction) -> Said {
    let chunks =
        if interaction.streamed() { interaction.events() } else { vec![interaction.json()] };
    let mut said = Said::default();
    for chunk in &chunks {
        let candidate = &chunk["candidates"][0];
        for part in candidate["content"]["parts"].as_array().expect("parts") {
            said.text.push_str(part["text"].as_str().unwrap_or_default());
            said.calls.extend(part.get("functionCall").cloned());
            said.signatures.extend(part["thoughtSignature"].as_str().map(str::to_owned));
        }
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        said.finish_reason = string(&candidate["finishReason"]);
        said.response_id = string(&chunk["responseId"]);
        said.model = string(&chunk["modelVersion"]);
        said.usage = chunk["usageMetadata"].clone();
        let supports = candidate["groundingMetadata"]["groundingSupports"].as_array();
        said.sources = supports.map_or(0, |list| {
            list.iter().filter_map(|s| s["groundingChunkIndices"].as_array()).map(Vec::len).sum()
        });
    }
    said
}

/// The request as a program would make it.
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
    Some(OutputSchema { name: "reply".to_owned(), schema: json_schema(schema), strict: true })
}

/// A schema as a Rust type has it, of one in Google's subset.
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
        let contents = content["parts"].as_array().expect("parts").iter().map(part).collect();
        if content["role"] == "model" {
            Turn::from(AssistantTurn::new(contents))
        } else {
            Turn::User(UserTurn { contents })
        }
    };
    contents.as_array().expect("contents").iter().map(turn).collect()
}

fn part(part: &Value) -> Content {
    let string = |value: &Value| value.as_str().expect("a string").to_owned();
    if let Some(call) = part.get("functionCall") {
        let item = json!({"thoughtSignature": string(&part["thoughtSignature"])});
        return Content::ToolRequest(ToolRequest {
            id: string(&call["id"]),
            name: string(&call["name"]),
            arguments: call["args"].clone(),
            replay: Some(Replay { provider: "gcp.gemini".to_owned(), item }),
        });
    }
    if let Some(response) = part.get("functionResponse") {
        return Content::ToolResult(ToolResult {
            id: string(&response["id"]),
            name: string(&response["name"]),
            outcome: ToolOutcome::Value(response["response"]["result"].clone()),
        });
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
/// recorded requests, and no others, are normalised here and in [`as_sent_by_the_loop`]:
///
/// - base64 in the alphabet for URLs: the library forwards data verbatim; the bytes are equal;
/// - `property_ordering`: Google's JSON name is `propertyOrdering`;
/// - `0` and `0.0`, and an empty list of settings: equal values;
/// - a token count of `contents` alone: the library counts the complete request, with its system
///   instruction and tools;
/// - dropped signatures of texts: Google wants each signature sent back at its position;
/// - the pieces of a streamed text: pieces without a signature are one text.
pub fn meaning(request: &Value) -> Value {
    let mut value = request.clone();
    if let Some(whole) = value.get_mut("generateContentRequest") {
        value = whole.take();
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

/// A request by its meaning, without what the recorded client leaves out of its history.
pub fn as_sent_by_the_loop(request: &Value) -> Value {
    let mut value = meaning(request);
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
