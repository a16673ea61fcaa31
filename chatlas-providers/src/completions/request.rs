//! A request in the words of Chat Completions.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chatlas_core::content::{
    Content, Media, MediaSource, Replay, Text, Thinking, ToolOutcome, ToolRequest, ToolResult,
};
use chatlas_core::{
    ChatRequest, ModelParams, OutputSchema, ProviderError, ProviderErrorKind, ToolDefinition, Turn,
};
use serde_json::{Map, Value, json};

use super::quirks::{DocumentUrl, Quirks};
use crate::data_url;

/// What a program sets beside the parameters of the model.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) service_tier: Option<String>,
    pub(super) logprobs: bool,
    pub(super) top_logprobs: Option<u8>,
}

/// What is asked of a server, and in which dialect.
pub(super) struct Asked<'a> {
    pub(super) model: &'a str,
    pub(super) vendor: &'a str,
    pub(super) quirks: &'a Quirks,
    pub(super) settings: &'a Settings,
    pub(super) request: &'a ChatRequest,
    pub(super) stream: bool,
}

impl Asked<'_> {
    /// The body of the request.
    pub(super) fn body(&self) -> Result<Vec<u8>, ProviderError> {
        let (params, quirks) = (&self.request.params, self.quirks);
        self.refuse_unknown(params)?;
        let mut body = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        set("model", Some(self.model.into()));
        set("messages", Some(self.messages()?.into()));
        set("stream", Some(self.stream.into()));
        let options = self.stream && quirks.stream_options;
        set("stream_options", options.then(|| json!({"include_usage": true})));
        set("temperature", params.temperature.map(Value::from));
        set("top_p", params.top_p.map(Value::from));
        set("top_k", params.top_k.map(Value::from));
        set(quirks.max_tokens_field, params.max_tokens.map(Value::from));
        set("stop", some(&params.stop_sequences).map(|stop| stop.to_vec().into()));
        set(quirks.seed_field, params.seed.map(Value::from));
        set("frequency_penalty", params.frequency_penalty.map(Value::from));
        set("presence_penalty", params.presence_penalty.map(Value::from));
        set("n", params.choice_count.map(Value::from));
        let level = params.reasoning_level.as_deref();
        if quirks.reasoning_object {
            set("reasoning", level.map(|level| json!({"effort": level})));
        } else {
            set("reasoning_effort", level.map(Value::from));
        }
        set("service_tier", self.settings.service_tier.clone().map(Value::from));
        set("logprobs", self.settings.logprobs.then(|| true.into()));
        set("top_logprobs", self.settings.top_logprobs.map(Value::from));
        set("tools", some(&self.request.tools).map(|tools| tools.iter().map(tool).collect()));
        set("response_format", self.request.output.as_ref().map(|output| self.format(output)));
        body.extend(params.extra.clone());
        serde_json::to_vec(&body)
            .map_err(|error| invalid(format!("the request cannot be written as JSON: {error}")))
    }

    /// A parameter that would be dropped in silence is an error instead.
    fn refuse_unknown(&self, params: &ModelParams) -> Result<(), ProviderError> {
        let set = [
            ("top_k", params.top_k.is_some() && !self.quirks.top_k),
            ("previous_response_id", params.previous_response_id.is_some()),
        ];
        match set.iter().find(|(_, set)| *set) {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!(
                "the Chat Completions API of `{}` has no parameter `{name}`: leave it unset",
                self.vendor
            ))),
        }
    }

    fn format(&self, output: &OutputSchema) -> Value {
        if self.quirks.json_object {
            return json!({"type": "json_object"});
        }
        let mut schema = json!({
            "name": output.name,
            "schema": output.schema,
            "strict": output.strict,
        });
        if let Some(description) = output.schema.get("description").filter(|d| d.is_string()) {
            schema["description"] = description.clone();
        }
        json!({"type": "json_schema", "json_schema": schema})
    }

    /// The system prompt, with the schema where the vendor has no other place for it.
    fn system(&self) -> Option<String> {
        let prompt = self.request.system_prompt.as_deref().map(str::to_owned);
        let Some(output) = self.request.output.as_ref().filter(|_| self.quirks.json_object) else {
            return prompt;
        };
        let schema =
            format!("Answer with a JSON object that follows this schema: {}", output.schema);
        Some(prompt.map_or(schema.clone(), |prompt| format!("{prompt}\n\n{schema}")))
    }

    fn messages(&self) -> Result<Vec<Value>, ProviderError> {
        let mut messages: Vec<Value> = Vec::new();
        let system = self.system();
        messages.extend(system.map(|prompt| json!({"role": "system", "content": prompt})));
        for turn in &self.request.turns {
            match &**turn {
                Turn::User(turn) => self.user(&turn.contents, &mut messages)?,
                Turn::Assistant(turn) => messages.extend(self.assistant(&turn.contents)),
                _ => {}
            }
        }
        Ok(messages)
    }

    /// The results of tools first: they have to follow what asked for them.
    fn user(&self, contents: &[Content], messages: &mut Vec<Value>) -> Result<(), ProviderError> {
        let mut parts = Vec::new();
        for content in contents {
            match content {
                Content::ToolResult(result) => {
                    messages.push(self.tool_message(result));
                    self.returned(result, &mut parts)?;
                }
                content => parts.extend(self.part(content)?),
            }
        }
        if !parts.is_empty() {
            messages.push(json!({"role": "user", "content": self.content(parts)}));
        }
        Ok(())
    }

    /// What a tool returned beside text, with a word on whose it is.
    fn returned(&self, result: &ToolResult, parts: &mut Vec<Value>) -> Result<(), ProviderError> {
        let ToolOutcome::Contents(contents) = &result.outcome else { return Ok(()) };
        let media: Vec<Value> = contents
            .iter()
            .filter(|content| !matches!(content, Content::Text(_)))
            .filter_map(|content| self.part(content).transpose())
            .collect::<Result<_, _>>()?;
        if !media.is_empty() {
            let whose = format!("The tool call {} of `{}` returned:", result.id, result.name);
            parts.push(json!({"type": "text", "text": whose}));
            parts.extend(media);
        }
        Ok(())
    }

    /// A content as a part of a user message; `None` for what none can be.
    fn part(&self, content: &Content) -> Result<Option<Value>, ProviderError> {
        Ok(Some(match content {
            Content::Text(text) => json!({"type": "text", "text": text.text}),
            Content::Image(media) => image(media)?,
            Content::Document(media) => self.file(media)?,
            _ => return Ok(None),
        }))
    }

    fn file(&self, media: &Media) -> Result<Value, ProviderError> {
        let name = media.name.as_deref().unwrap_or("document");
        Ok(match &media.source {
            MediaSource::Base64 { mime_type, data } => {
                if let Some(format) = mime_type.strip_prefix("audio/") {
                    let format = if format == "mpeg" { "mp3" } else { format };
                    let sound = json!({"data": data, "format": format.trim_start_matches("x-")});
                    return Ok(json!({"type": "input_audio", "input_audio": sound}));
                }
                let file = json!({"filename": name, "file_data": data_url::write(mime_type, data)});
                json!({"type": "file", "file": file})
            }
            MediaSource::File { id, .. } => json!({"type": "file", "file": {"file_id": id}}),
            MediaSource::Url { url } => match self.quirks.document_url {
                DocumentUrl::Part => json!({"type": "document_url", "document_url": url}),
                DocumentUrl::InFile => {
                    json!({"type": "file", "file": {"filename": name, "file_data": url}})
                }
                DocumentUrl::Refused => {
                    return Err(invalid(format!(
                        "the Chat Completions API of `{}` takes no document by its address: \
                         give its bytes, or the id of an uploaded file",
                        self.vendor
                    )));
                }
            },
            _ => return Err(invalid("a document of a kind that this API does not know")),
        })
    }

    /// The message of an assistant's turn; `None` where it said nothing that the API takes back.
    fn assistant(&self, contents: &[Content]) -> Option<Value> {
        let mut message = Map::new();
        let (mut parts, mut calls) = (Vec::new(), Vec::new());
        for content in contents {
            match content {
                Content::Text(Text { replay: Some(replay), .. })
                | Content::Thinking(Thinking { replay: Some(replay), .. })
                    if self.is_own(replay) =>
                {
                    // Thoughts that were parts of the content, or fields beside it.
                    match replay.item["content"].as_array() {
                        Some(thoughts) => parts.extend_from_slice(thoughts),
                        None => replay_into(&mut message, replay),
                    }
                }
                // Some servers refuse a text of blanks.
                Content::Text(text) if text.text.trim().is_empty() => {}
                Content::Text(text) => parts.push(json!({"type": "text", "text": text.text})),
                Content::Refusal(refusal) => {
                    parts.push(json!({"type": "refusal", "refusal": refusal.text}));
                }
                Content::ToolRequest(request) => calls.push(self.tool_call(request)),
                // Citations come with the text; other vendors' items are theirs.
                _ => {}
            }
        }
        let speaks = !parts.is_empty() || !calls.is_empty() || message.contains_key("audio");
        if !speaks {
            return None;
        }
        message.insert("role".to_owned(), "assistant".into());
        if !parts.is_empty() {
            message.insert("content".to_owned(), self.content(parts));
        }
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.into());
        }
        Some(message.into())
    }

    fn tool_message(&self, result: &ToolResult) -> Value {
        json!({
            "role": "tool",
            "tool_call_id": self.call_id(&result.id),
            "content": result.outcome.to_model_text(),
        })
    }

    fn tool_call(&self, request: &ToolRequest) -> Value {
        json!({
            "id": self.call_id(&request.id),
            "type": "function",
            "function": {"name": request.name, "arguments": written_arguments(&request.arguments)},
        })
    }

    /// The id of a tool call, in a form that the vendor takes: the same for the same id.
    fn call_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        let is_short = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_short || !self.quirks.short_call_ids {
            return id.into();
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        // Nine hexadecimal digits are 36 bits.
        format!("{:09x}", hasher.finish() >> 28).into()
    }

    fn is_own(&self, replay: &Replay) -> bool {
        replay.provider == self.vendor
    }

    /// Parts as the vendor takes them.
    fn content(&self, parts: Vec<Value>) -> Value {
        let text_alone = parts.iter().all(|part| part["type"] == "text");
        if self.quirks.plain_text && text_alone {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            return texts.join("\n").into();
        }
        parts.into()
    }
}

fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

fn invalid(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ProviderErrorKind::InvalidRequest, message)
}

/// The fields of a message as they came.
fn replay_into(message: &mut Map<String, Value>, replay: &Replay) {
    if let Value::Object(fields) = &replay.item {
        message.extend(fields.clone());
    }
}

/// Arguments as the APIs of this family write them: what was no JSON goes back as it came.
pub(crate) fn written_arguments(arguments: &Value) -> String {
    match arguments {
        Value::String(raw) => raw.clone(),
        other => other.to_string(),
    }
}

fn image(media: &Media) -> Result<Value, ProviderError> {
    let url = match &media.source {
        MediaSource::Url { url } => url.clone(),
        MediaSource::Base64 { mime_type, data } => data_url::write(mime_type, data),
        _ => {
            return Err(invalid(
                "the Chat Completions API takes images by address or as data, not by the id of an \
                 uploaded file",
            ));
        }
    };
    Ok(json!({"type": "image_url", "image_url": {"url": url}}))
}

fn tool(tool: &ToolDefinition) -> Value {
    let mut function = json!({
        "name": tool.name,
        "description": tool.description,
        "parameters": *tool.parameters,
    });
    if let Some(strict) = tool.strict {
        function["strict"] = strict.into();
    }
    json!({"type": "function", "function": function})
}
