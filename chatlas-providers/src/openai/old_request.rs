//! A request in the words of the Responses API.

use chatlas_core::content::{Content, Media, MediaSource, Replay, ToolOutcome, ToolRequest};
use chatlas_core::schema::is_strict;
use chatlas_core::{
    ChatRequest, ModelParams, ProviderError, ProviderErrorKind, ToolDefinition, Turn, WebSearch,
};
use serde_json::{Map, Value, json};

use crate::completions::written_arguments;
use crate::data_url;

/// What only this vendor has.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    pub(super) web_search: Option<WebSearch>,
    pub(super) service_tier: Option<String>,
    pub(super) logprobs: bool,
}

/// What is asked, and of whom.
pub(super) struct Asked<'a> {
    pub(super) model: &'a str,
    /// Whose items may be sent back.
    pub(super) vendor: &'a str,
    pub(super) extras: &'a Extras,
    pub(super) request: &'a ChatRequest,
}

impl Asked<'_> {
    /// The body of a request for a reply.
    pub(super) fn body(&self, stream: bool) -> Result<Vec<u8>, ProviderError> {
        let (params, extras) = (&self.request.params, self.extras);
        refuse_unknown(params, extras)?;
        let mut body = self.counted()?;
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        set("store", Some(false.into()));
        set("stream", Some(stream.into()));
        set("temperature", params.temperature.map(Value::from));
        set("top_p", params.top_p.map(Value::from));
        set("max_output_tokens", params.max_tokens.map(Value::from));
        set("service_tier", extras.service_tier.clone().map(Value::from));
        let searches = extras.web_search.as_ref().and_then(|search| search.max_uses);
        set("max_tool_calls", searches.map(Value::from));
        let wanted = [
            (reasons(self.model), "reasoning.encrypted_content"),
            (extras.logprobs, "message.output_text.logprobs"),
        ];
        let include: Vec<Value> =
            wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| (*name).into()).collect();
        set("include", (!include.is_empty()).then(|| include.into()));
        body.extend(params.extra.clone());
        written(&body)
    }

    /// The body of a request for a count of tokens.
    pub(super) fn count_body(&self) -> Result<Vec<u8>, ProviderError> {
        written(&self.counted()?)
    }

    /// What input tokens come from.
    fn counted(&self) -> Result<Map<String, Value>, ProviderError> {
        let params = &self.request.params;
        let mut body = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        set("model", Some(self.model.into()));
        set("input", Some(self.input()?.into()));
        set("reasoning", params.reasoning_level.as_ref().map(|level| json!({"effort": level})));
        set("previous_response_id", params.previous_response_id.clone().map(Value::from));
        let tools = tools(&self.request.tools, self.extras);
        set("tools", (!tools.is_empty()).then(|| tools.into()));
        set(
            "text",
            self.request.output.as_ref().map(|output| {
                json!({"format": {
                    "type": "json_schema",
                    "name": output.name,
                    "schema": output.schema,
                    "strict": output.strict,
                }})
            }),
        );
        Ok(body)
    }

    /// The conversation, or what of it comes after the response that is continued.
    fn input(&self) -> Result<Vec<Value>, ProviderError> {
        let mut turns = self.request.turns.as_slice();
        let mut system = self.request.system_prompt.as_deref();
        if let Some(id) = &self.request.params.previous_response_id
            && let Some(place) = turns.iter().rposition(|turn| is_response(turn, id))
        {
            // OpenAI has what came before.
            turns = &turns[place + 1..];
            system = None;
        }
        let mut items = Vec::new();
        items.extend(
            system.map(|text| message("system", &json!({"type": "input_text", "text": text}))),
        );
        for turn in turns {
            let said_by_user = matches!(&**turn, Turn::User(_));
            for content in turn.contents() {
                items.extend(self.item(content, said_by_user)?);
            }
        }
        Ok(items)
    }

    /// A content as an input item; `None` for what the API does not take back.
    fn item(&self, content: &Content, said_by_user: bool) -> Result<Option<Value>, ProviderError> {
        Ok(Some(match content {
            Content::Text(text) if !said_by_user => {
                let part = json!({"type": "output_text", "text": text.text, "annotations": []});
                let mut message = assistant(&part);
                if let Some(replay) = text.replay.as_ref().filter(|replay| self.is_own(replay)) {
                    message["phase"] = replay.item["phase"].clone();
                }
                message
            }
            Content::Refusal(refusal) => {
                assistant(&json!({"type": "refusal", "refusal": refusal.text}))
            }
            Content::ToolRequest(request) => function_call(request),
            Content::ToolResult(result) => json!({
                "type": "function_call_output",
                "call_id": result.id,
                "output": output(&result.outcome)?,
            }),
            Content::Thinking(thinking) => {
                let replay = thinking.replay.as_ref().filter(|replay| self.is_own(replay));
                // Without the encrypted thought there is nothing that OpenAI could read: with
                // `store: false` it knows no item by its id.
                let readable = |replay: &&Replay| replay.item["encrypted_content"].is_string();
                return Ok(replay.filter(readable).map(|replay| replay.item.clone()));
            }
            Content::ServerTool(tool) if self.is_own(&tool.replay) => tool.replay.item.clone(),
            // Citations come with the text; other vendors' items are theirs.
            content => return Ok(part(content)?.map(|part| message("user", &part))),
        }))
    }

    fn is_own(&self, replay: &Replay) -> bool {
        replay.provider == self.vendor
    }
}

fn written(body: &Map<String, Value>) -> Result<Vec<u8>, ProviderError> {
    serde_json::to_vec(body)
        .map_err(|error| invalid(format!("the request cannot be written as JSON: {error}")))
}

fn invalid(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ProviderErrorKind::InvalidRequest, message)
}

fn is_response(turn: &Turn, id: &str) -> bool {
    matches!(turn, Turn::Assistant(turn) if turn.response_id.as_deref() == Some(id))
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
            "blocked_domains of web_search",
            extras.web_search.as_ref().is_some_and(|s| !s.blocked_domains.is_empty()),
        ),
    ];
    match set.iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((name, _)) => Err(invalid(format!(
            "OpenAI's Responses API has no parameter `{name}`: leave it unset"
        ))),
    }
}

/// Whether the model thinks before it answers: then its thoughts are asked for, encrypted, to be
/// sent back. Others refuse the question; so do the `chat` models from the fives on.
fn reasons(model: &str) -> bool {
    // A model that was tuned is `ft:`, what it was made from, and by whom.
    let model = model.strip_prefix("ft:").unwrap_or(model);
    let number = |name: &str| -> Option<u32> {
        let rest = model.strip_prefix(name)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    (number("gpt-").is_some_and(|number| number >= 5) && !model.contains("-chat"))
        || number("o").is_some()
}

/// What came of a tool call: text, or the parts of a rich result.
fn output(outcome: &ToolOutcome) -> Result<Value, ProviderError> {
    let ToolOutcome::Contents(contents) = outcome else {
        return Ok(outcome.to_model_text().into());
    };
    let parts = contents.iter().filter_map(|content| part(content).transpose());
    Ok(Value::Array(parts.collect::<Result<_, _>>()?))
}

/// A content as a part of the input; `None` for what none can be.
fn part(content: &Content) -> Result<Option<Value>, ProviderError> {
    Ok(Some(match content {
        Content::Text(text) => json!({"type": "input_text", "text": text.text}),
        Content::Image(media) => image(media)?,
        Content::Document(media) => file(media)?,
        _ => return Ok(None),
    }))
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

fn image(media: &Media) -> Result<Value, ProviderError> {
    Ok(match &media.source {
        MediaSource::File { id, .. } => json!({"type": "input_image", "file_id": id}),
        MediaSource::Base64 { mime_type, data } => {
            let url = data_url::write(mime_type, data);
            json!({"type": "input_image", "image_url": url, "detail": "auto"})
        }
        MediaSource::Url { url } => {
            json!({"type": "input_image", "image_url": url, "detail": "auto"})
        }
        _ => return Err(invalid("an image of a kind that this API does not know")),
    })
}

fn file(media: &Media) -> Result<Value, ProviderError> {
    Ok(match &media.source {
        MediaSource::File { id, .. } => json!({"type": "input_file", "file_id": id}),
        MediaSource::Base64 { mime_type, data } => json!({
            "type": "input_file",
            "filename": media.name.as_deref().unwrap_or("document"),
            "file_data": data_url::write(mime_type, data),
        }),
        MediaSource::Url { url } => json!({"type": "input_file", "file_url": url}),
        _ => return Err(invalid("a document of a kind that this API does not know")),
    })
}

fn tools(tools: &[ToolDefinition], extras: &Extras) -> Vec<Value> {
    let functions = tools.iter().map(|tool| {
        json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": *tool.parameters,
            // Any other schema is sent as it is, as a help to the model.
            "strict": tool.strict.unwrap_or_else(|| is_strict(&tool.parameters)),
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

