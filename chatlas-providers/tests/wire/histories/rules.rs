//! What each vendor publishes about the histories that it accepts, as checks of a request's body.
//! Each check returns the violations that it finds.

use std::collections::HashSet;

use serde_json::Value;

/// The differences between vendors that speak Chat Completions.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a difference by itself
pub(crate) struct Completions {
    /// OpenAI accepts ids of at most 64 characters, and any first message.
    pub(crate) is_openai: bool,
    /// Mistral accepts ids of nine letters and digits, and no user message after a tool message.
    pub(crate) is_mistral: bool,
    /// DeepSeek requires its thinking with each message that has calls.
    pub(crate) is_deepseek: bool,
    /// OpenRouter and Cloudflare require `content` in each message.
    pub(crate) requires_content: bool,
}

/// Collects the violations of a request.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn unless(&mut self, is_right: bool, rule: &str, value: &Value) {
        if !is_right {
            self.0.push(format!("{rule}: {value}"));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_blank(value: &Value) -> bool {
    text(value).trim().is_empty()
}

/// The characters and the length of a name that every vendor accepts.
fn is_name(name: &Value) -> bool {
    let name = text(name);
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(accepted)
}

fn is_object_text(arguments: &Value) -> bool {
    serde_json::from_str::<Value>(text(arguments)).is_ok_and(|read| read.is_object())
}

/// Returns the roles in order.
fn roles(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| text(&message["role"])).collect()
}

/// <https://platform.openai.com/docs/api-reference/chat/create>, and what chat templates require.
pub(crate) fn completions(body: &Value, vendor: Completions) -> Vec<String> {
    let mut found = Found::default();
    let messages = list(&body["messages"]);
    let roles = roles(messages);
    let first = roles.iter().find(|role| **role != "system");
    found.unless(vendor.is_openai || first == Some(&"user"), "the first is the user's", body);
    let mut ids = HashSet::new();
    let mut expected: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = roles[index];
        let next = roles.get(index + 1).copied().unwrap_or_default();
        found.unless(role == "tool" || role != next, "roles alternate", body);
        found.unless(
            role == "tool" || expected.is_empty(),
            "each call has a result directly after the calls",
            body,
        );
        let known = ["role", "content", "tool_calls", "tool_call_id", "audio"];
        let known = |key: &str| {
            known.contains(&key)
                || (vendor.is_deepseek && key == "reasoning_content")
                || (vendor.requires_content && key == "reasoning_details")
        };
        let keys = message.as_object().into_iter().flat_map(|fields| fields.keys());
        keys.for_each(|key| found.unless(known(key), "only fields of the protocol", message));
        let content = &message["content"];
        let calls = list(&message["tool_calls"]);
        match role {
            "user" => {
                found.unless(!vendor.is_mistral || next != "tool", "no user before tool", body);
                let is_plain = |part: &Value| part["type"] == "text";
                let has_others = list(content).iter().any(|part| !is_plain(part));
                found.unless(!is_blank(content) || has_others, "text alone is a string", message);
                let blank = list(content).iter().any(|p| is_plain(p) && is_blank(&p["text"]));
                found.unless(!blank, "no part is blank", message);
            }
            "assistant" => {
                let has_content = !is_blank(content) || !list(content).is_empty();
                let is_sent = has_content || !calls.is_empty() || message["audio"].is_object();
                found.unless(is_sent, "no message is empty", message);
                let has_field = message.get("content").is_some();
                found.unless(has_field || !vendor.requires_content, "content is there", message);
                let thinks = !text(&message["reasoning_content"]).is_empty();
                let needs_thinking = vendor.is_deepseek && !calls.is_empty();
                found.unless(thinks || !needs_thinking, "thinking comes with calls", message);
            }
            "tool" => {
                let id = text(&message["tool_call_id"]);
                let is_next = expected.first() == Some(&id);
                found.unless(is_next, "results follow their calls in order", body);
                expected.drain(..usize::from(!expected.is_empty()));
                let is_bridged = !vendor.is_mistral || next != "user";
                found.unless(is_bridged, "no user message after a tool message", body);
            }
            _ => {}
        }
        for call in calls {
            let id = text(&call["id"]);
            let is_nine = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let is_short = !id.is_empty() && (!vendor.is_openai || id.chars().count() <= 64);
            found.unless(is_short && (is_nine || !vendor.is_mistral), "the id has the form", call);
            found.unless(ids.insert(id), "ids are unique", body);
            found.unless(is_name(&call["function"]["name"]), "the name has the form", call);
            let arguments = &call["function"]["arguments"];
            found.unless(is_object_text(arguments), "arguments are an object", call);
            expected.push(id);
        }
    }
    found.unless(expected.is_empty(), "no call is left open", body);
    found.0
}

/// <https://platform.openai.com/docs/api-reference/responses/create>
pub(crate) fn responses(body: &Value) -> Vec<String> {
    let mut found = Found::default();
    let items = list(&body["input"]);
    let (mut ids, mut open) = (HashSet::new(), HashSet::new());
    for (index, item) in items.iter().enumerate() {
        // An image that the model made is a message of the user, too.
        let is_user = item["role"] == "user" && item["content"][0]["type"] == "input_text";
        found.unless(!is_user || open.is_empty(), "results precede the next message", body);
        match text(&item["type"]) {
            "function_call" => {
                let id = text(&item["call_id"]);
                let is_short = (1..=64).contains(&id.chars().count());
                found.unless(is_short, "an id has at most 64 characters", item);
                found.unless(ids.insert(id), "ids are unique", body);
                found.unless(is_name(&item["name"]), "the name has the form", item);
                found.unless(is_object_text(&item["arguments"]), "arguments are an object", item);
                open.insert(id);
            }
            "function_call_output" => {
                found.unless(open.remove(text(&item["call_id"])), "each result has a call", body);
            }
            "reasoning" => {
                let next = items.get(index + 1).unwrap_or(&Value::Null);
                let is_followed = !next.is_null()
                    && (next["role"].is_null() || next["role"] == "assistant")
                    && next["type"] != "function_call_output";
                found.unless(is_followed, "a reasoning item is followed by its item", body);
            }
            "" => {
                let parts = list(&item["content"]);
                let is_blank = parts
                    .iter()
                    .any(|part| part["type"] == "input_text" && is_blank(&part["text"]));
                let is_empty = parts.is_empty() && self::is_blank(&item["content"]);
                found.unless(!is_blank && !is_empty, "no message is blank", item);
                let is_simple = item["role"] != "assistant" || item["content"].is_string();
                found.unless(is_simple, "a text without an id has the simple form", item);
            }
            kind => found.unless(kind == "web_search_call", "only items of the API", item),
        }
    }
    found.unless(open.is_empty(), "each call has a result", body);
    found.0
}

/// The names of the fields of a block in Anthropic's APIs.
struct Blocks {
    /// Returns the id, the name and the input of a call.
    call: fn(&Value) -> Option<(&str, &Value, &Value)>,
    /// Returns the id of a result.
    result: fn(&Value) -> Option<&str>,
    is_thinking: fn(&Value) -> bool,
    is_blank: fn(&Value) -> bool,
}

fn alternating_blocks(body: &Value, blocks: &Blocks) -> Found {
    let mut found = Found::default();
    let messages = list(&body["messages"]);
    let roles = roles(messages);
    let alternates = roles.iter().zip(["user", "assistant"].iter().cycle()).all(|(a, b)| a == b);
    found.unless(alternates, "roles alternate, and the user begins", body);
    let mut ids = HashSet::new();
    let mut expected: Vec<&str> = Vec::new();
    for message in messages {
        let content = list(&message["content"]);
        found.unless(!content.is_empty(), "no message is empty", message);
        found.unless(!content.iter().any(blocks.is_blank), "no text is blank", message);
        let results: Vec<&str> = content.iter().filter_map(blocks.result).collect();
        found.unless(results == expected, "each call has one result, directly after it", body);
        let is_result = |block: &Value| (blocks.result)(block).is_some();
        found.unless(content.iter().take(results.len()).all(is_result), "results come first", body);
        expected.clear();
        for (id, name, input) in content.iter().filter_map(blocks.call) {
            let accepted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let has_form = (1..=64).contains(&id.len()) && id.bytes().all(accepted);
            found.unless(has_form, "the id has the form", message);
            found.unless(ids.insert(id), "ids are unique", body);
            found.unless(is_name(name), "the name has the form", message);
            found.unless(input.is_object(), "the input is an object", message);
            expected.push(id);
        }
        let ends = message["role"] == "assistant" && content.last().is_some_and(blocks.is_thinking);
        found.unless(!ends, "the last block is not thinking", message);
    }
    found.unless(expected.is_empty(), "no call is left open", body);
    found
}

/// <https://docs.claude.com/en/api/messages>
pub(crate) fn messages(body: &Value) -> Vec<String> {
    let mut found = alternating_blocks(
        body,
        &Blocks {
            call: |block| {
                let is_call = block["type"] == "tool_use";
                is_call.then(|| (text(&block["id"]), &block["name"], &block["input"]))
            },
            result: |block| (block["type"] == "tool_result").then(|| text(&block["tool_use_id"])),
            is_thinking: |block| text(&block["type"]).ends_with("thinking"),
            is_blank: |block| block["type"] == "text" && is_blank(&block["text"]),
        },
    );
    let sent = list(&body["messages"]).iter().flat_map(|message| list(&message["content"]));
    let blocks: Vec<&Value> = sent.collect();
    let mut server_calls = HashSet::new();
    for block in &blocks {
        match text(&block["type"]) {
            "text" | "image" | "document" | "tool_use" | "tool_result" | "redacted_thinking" => {}
            "thinking" => found.unless(!is_blank(&block["signature"]), "thinking is signed", block),
            "server_tool_use" => {
                server_calls.insert(text(&block["id"]));
            }
            "web_search_tool_result" => {
                let is_answer = server_calls.remove(text(&block["tool_use_id"]));
                found.unless(is_answer, "a result has a call", block);
            }
            _ => found.unless(false, "only blocks of the API", block),
        }
    }
    // The result of a call beside it continues the turn.
    let all = list(&body["messages"]);
    let last = all.iter().rev().nth(1).map(|message| list(&message["content"])).unwrap_or_default();
    if last.iter().any(|block| block["type"] == "tool_use") {
        for block in last {
            server_calls.remove(text(&block["id"]));
        }
    }
    found.unless(server_calls.is_empty(), "a call of a server tool has its result", body);
    let uses_tools = blocks.iter().any(|block| text(&block["type"]).starts_with("tool_"));
    let has_tools = !list(&body["tools"]).is_empty();
    found.unless(has_tools || !uses_tools, "a history with calls requires tools", body);
    found.0
}

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>
pub(crate) fn converse(body: &Value) -> Vec<String> {
    let mut found = alternating_blocks(
        body,
        &Blocks {
            call: |block| {
                let call = block.get("toolUse")?;
                Some((text(&call["toolUseId"]), &call["name"], &call["input"]))
            },
            result: |block| Some(text(&block.get("toolResult")?["toolUseId"])),
            is_thinking: |block| block.get("reasoningContent").is_some(),
            is_blank: |block| block.get("text").is_some_and(is_blank),
        },
    );
    let mut names = HashSet::new();
    let (mut uses_tools, has_tools) = (false, !list(&body["toolConfig"]["tools"]).is_empty());
    for message in list(&body["messages"]) {
        let blocks = list(&message["content"]);
        let within = blocks.iter().flat_map(|block| list(&block["toolResult"]["content"]));
        for block in blocks.iter().chain(within) {
            let kinds = ["text", "image", "document", "toolUse", "toolResult", "reasoningContent"];
            let kind = block.as_object().and_then(|fields| fields.keys().next());
            let is_known = kind.is_some_and(|kind| kinds.contains(&kind.as_str()));
            found.unless(is_known && block.get("type").is_none(), "only blocks of the API", block);
            uses_tools |= kind.is_some_and(|kind| kind.starts_with("tool"));
            for medium in ["image", "document"] {
                let Some(medium) = block.get(medium) else { continue };
                found.unless(medium["source"]["bytes"].is_string(), "media are bytes", block);
            }
            if let Some(name) = block["document"]["name"].as_str() {
                found.unless(names.insert(name.to_lowercase()), "names are distinct", body);
            }
        }
        let has = |kind: &str| blocks.iter().any(|block| block.get(kind).is_some());
        found.unless(has("text") || !has("document"), "a document comes with a text", message);
    }
    found.unless(has_tools || !uses_tools, "a history with calls requires tools", body);
    found.0
}

/// <https://ai.google.dev/api/caching#Content>, and for the signatures of `is_third`
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>.
pub(crate) fn gemini(body: &Value, is_third: bool) -> Vec<String> {
    fn has_reference(value: &Value) -> bool {
        match value {
            Value::Object(fields) => {
                fields.contains_key("$ref") || fields.values().any(has_reference)
            }
            Value::Array(list) => list.iter().any(has_reference),
            _ => false,
        }
    }
    let mut found = Found::default();
    let contents = list(&body["contents"]);
    let roles = roles(contents);
    let alternates = roles.iter().zip(["user", "model"].iter().cycle()).all(|(a, b)| a == b);
    found.unless(alternates, "roles alternate, and the user begins", body);
    let mut expected: Vec<&Value> = Vec::new();
    for content in contents {
        let parts = list(&content["parts"]);
        found.unless(!parts.is_empty(), "no content is empty", body);
        let results: Vec<&Value> =
            parts.iter().filter_map(|part| Some(&part.get("functionResponse")?["name"])).collect();
        found.unless(results == expected, "each call has one result, directly after it", body);
        let calls: Vec<&Value> =
            parts.iter().filter(|part| part.get("functionCall").is_some()).collect();
        expected = calls.iter().map(|part| &part["functionCall"]["name"]).collect();
        for part in parts {
            let known = [
                "text",
                "inlineData",
                "fileData",
                "functionCall",
                "functionResponse",
                "executableCode",
                "codeExecutionResult",
            ];
            found.unless(known.iter().any(|key| part.get(*key).is_some()), "parts are known", part);
            let is_signed = part.get("thoughtSignature").is_some();
            let is_blank = part.get("text").is_some_and(is_blank) && !is_signed;
            found.unless(!is_blank, "no text is blank", part);
            let call = &part["functionCall"];
            found.unless(call.is_null() || call["args"].is_object(), "args are an object", part);
            let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
            let is_name = is_name(&call["name"]) && text(&call["name"]).starts_with(begins);
            found.unless(call.is_null() || is_name, "the name has the form", part);
            let response = &part["functionResponse"]["response"];
            found.unless(!has_reference(response), "a result has no `$ref`", part);
        }
        let first = calls.first().filter(|_| is_third);
        let is_signed = first.is_none_or(|part| !is_blank(&part["thoughtSignature"]));
        found.unless(is_signed, "the first call is signed", content);
    }
    found.unless(expected.is_empty(), "no call is left open", body);
    found.0
}
