//! What a whole message says: contents, tokens, why it ended. Lenient: what is unknown is passed
//! over.

use chatlas_core::content::{
    Citation, Content, Refusal, Replay, ServerTool, Text, Thinking, ToolRequest,
};
use chatlas_core::{Completion, FinishReason, ProviderError, Usage};
use serde_json::{Map, Value};

use super::error;
use super::request::OUTPUT_TOOL;
use crate::http::malformed;

/// Where Bedrock tells whether a guardrail has stepped in.
pub(super) const GUARDRAIL: &str = "amazon-bedrock-guardrailAction";

/// A whole message.
pub(crate) fn completion(
    provider: &'static str,
    message: &Value,
) -> Result<Completion, ProviderError> {
    if message["type"] == "error" || message["error"].is_object() {
        return Err(error::reported(message));
    }
    let Some(blocks) = message["content"].as_array() else {
        return Err(malformed("it has no `content`"));
    };
    Ok(complete(provider, message, blocks.iter().cloned()))
}

pub(super) fn complete(
    provider: &'static str,
    message: &Value,
    blocks: impl Iterator<Item = Value>,
) -> Completion {
    let mut contents = contents(provider, blocks);
    if let Some(text) = message["stop_details"]["explanation"].as_str() {
        contents.push(Content::Refusal(Refusal { text: text.to_owned() }));
    }
    let finish_reason = if message[GUARDRAIL] == "INTERVENED" {
        FinishReason::ContentFilter
    } else {
        finish_reason(message["stop_reason"].as_str(), &contents)
    };
    Completion {
        usage: usage(&message["usage"]),
        finish_reason: Some(finish_reason),
        response_id: string(message, "id"),
        model: string(message, "model"),
        contents,
        ..Completion::default()
    }
}

/// Why the model stopped, by the
/// [stop reasons](https://docs.claude.com/en/api/handling-stop-reasons).
fn finish_reason(told: Option<&str>, contents: &[Content]) -> FinishReason {
    let asks = contents.iter().any(|content| matches!(content, Content::ToolRequest(_)));
    match told {
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::ContentFilter,
        Some("pause_turn") => FinishReason::Pause,
        // The tool may be the one by which an older model answers.
        Some("tool_use") | None => {
            if asks {
                FinishReason::ToolCall
            } else {
                FinishReason::Stop
            }
        }
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

/// The tokens as [Anthropic counts them](https://docs.claude.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance):
/// its `input_tokens` are those that no cache had to do with.
pub(super) fn usage(told: &Value) -> Usage {
    let count = |key: &str| told[key].as_u64();
    let (read, write) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let all = [count("input_tokens"), read, write];
    let input = all.iter().flatten().copied().reduce(u64::saturating_add);
    Usage {
        input_tokens: input,
        output_tokens: count("output_tokens"),
        cache_read_tokens: read,
        cache_write_tokens: write,
        reasoning_tokens: told["output_tokens_details"]["thinking_tokens"].as_u64(),
        ..Usage::default()
    }
}

/// What the blocks say.
pub(super) fn contents(
    provider: &'static str,
    blocks: impl Iterator<Item = Value>,
) -> Vec<Content> {
    let mut contents = Vec::new();
    for block in blocks {
        let replay = |item: &Value| Replay { provider: provider.to_owned(), item: whole(item) };
        match block["type"].as_str().unwrap_or_default() {
            "text" => {
                let text = string(&block, "text").unwrap_or_default();
                let cited = block["citations"].as_array().map(Vec::as_slice).unwrap_or_default();
                let back = (!cited.is_empty()).then(|| replay(&block));
                if !text.is_empty() {
                    contents.push(Content::Text(Text { text, replay: back, logprobs: None }));
                }
                contents.extend(cited.iter().map(|note| Content::Citation(citation(note))));
            }
            "thinking" => {
                let text = string(&block, "thinking").unwrap_or_default();
                let signed = block["signature"].as_str().is_some_and(|sign| !sign.is_empty());
                let back = signed.then(|| replay(&block));
                contents.push(Content::Thinking(Thinking { text, replay: back }));
            }
            "redacted_thinking" => contents.push(Content::Thinking(Thinking {
                text: String::new(),
                replay: Some(replay(&block)),
            })),
            "tool_use" => contents.push(requested(provider, &block)),
            kind if kind.ends_with("_tool_use") => contents.push(Content::ServerTool(ServerTool {
                id: string(&block, "id"),
                name: string(&block, "name").unwrap_or_default(),
                replay: Replay { item: Value::Array(vec![whole(&block)]), ..replay(&block) },
            })),
            kind if kind.ends_with("_tool_result") => {
                let id = string(&block, "tool_use_id");
                let call = contents.iter_mut().rev().find_map(|content| match content {
                    Content::ServerTool(tool) if tool.id.is_some() && tool.id == id => {
                        tool.replay.item.as_array_mut()
                    }
                    _ => None,
                });
                if let Some(call) = call {
                    call.push(whole(&block));
                } else {
                    contents.push(Content::ServerTool(ServerTool {
                        id,
                        name: kind.trim_end_matches("_tool_result").to_owned(),
                        replay: Replay {
                            item: Value::Array(vec![whole(&block)]),
                            ..replay(&block)
                        },
                    }));
                }
            }
            "" => {}
            // What is to come is the vendor's own, and goes back as it came.
            kind => contents.push(Content::ServerTool(ServerTool {
                id: string(&block, "id"),
                name: kind.to_owned(),
                replay: replay(&block),
            })),
        }
    }
    contents
}

/// A call; one of the tool for the output is the answer itself. What it says of itself beside that (who
/// calls: code that runs at the vendor's, for example) goes back with it.
pub(super) fn requested(provider: &str, block: &Value) -> Content {
    let name = string(block, "name").unwrap_or_default();
    if name == OUTPUT_TOOL {
        let answer = block["input"].get("data").unwrap_or(&block["input"]);
        return Content::text(match answer {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    }
    let mut beside = whole(block);
    if let Some(fields) = beside.as_object_mut() {
        fields.retain(|key, _| !matches!(key.as_str(), "id" | "name" | "input"));
    }
    let says_more = beside.as_object().is_some_and(|fields| fields.len() > 1);
    Content::ToolRequest(ToolRequest {
        id: string(block, "id").unwrap_or_default(),
        name,
        arguments: block["input"].clone(),
        replay: says_more.then(|| Replay { provider: provider.to_owned(), item: beside }),
    })
}

pub(super) fn citation(note: &Value) -> Citation {
    let first = |keys: [&str; 2]| keys.iter().find_map(|key| string(note, key));
    Citation {
        url: first(["url", "source"]),
        title: first(["title", "document_title"]),
        quote: string(note, "cited_text"),
    }
}

/// A block as it is sent back: what was told to be nothing is left out, as the API wants it.
fn whole(block: &Value) -> Value {
    match block {
        Value::Object(fields) => {
            let told = fields.iter().filter(|(_, value)| !value.is_null());
            told.map(|(key, value)| (key.clone(), whole(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(list) => list.iter().map(whole).collect(),
        other => other.clone(),
    }
}

pub(super) fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ME: &str = "anthropic";

    #[test]
    fn a_reply_that_stopped_says_why() {
        for (reason, expected) in [
            ("end_turn", FinishReason::Stop),
            ("stop_sequence", FinishReason::Stop),
            ("max_tokens", FinishReason::Length),
            ("model_context_window_exceeded", FinishReason::Length),
            ("refusal", FinishReason::ContentFilter),
            ("pause_turn", FinishReason::Pause),
        ] {
            let message = json!({"content": [], "stop_reason": reason});
            assert_eq!(completion(ME, &message).unwrap().finish_reason, Some(expected));
        }
        let message = json!({"content": [], "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "explanation": "It is against the rules."}});
        let refusal = Refusal { text: "It is against the rules.".into() };
        assert_eq!(completion(ME, &message).unwrap().contents, [Content::Refusal(refusal)]);
    }
}
